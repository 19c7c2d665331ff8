/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

void pipeline_init(struct pipeline *p)
{
	memset(p, 0, sizeof(*p));
	p->args = REDACT_FULL;
	pipeline_clocks(p);
}

void pipeline_add_sink(struct pipeline *p, struct event_sink *sink)
{
	if (p->nsinks < PIPELINE_SINKS_MAX)
		p->sinks[p->nsinks++] = sink;
	else
		sink->close(sink);
}

void pipeline_close(struct pipeline *p)
{
	for (unsigned i = 0; i < p->ncorrelators; i++)
		p->correlators[i]->close(p->correlators[i]);
	for (unsigned i = 0; i < p->nsinks; i++)
		p->sinks[i]->close(p->sinks[i]);
	for (unsigned i = 0; i < TAPIO_EV_MAX; i++)
		free((char *)p->absent[i].json);
	free(p->redacted);
	memset(p, 0, sizeof(*p));
}

/*
 * A process's creation time is half of its identity, so it must come out the same in each of its
 * events: the offset follows steps, suspends and what drift adds up to, not the noise of reading.
 */
#define CLOCK_STEP_NS 1000000

void pipeline_clocks(struct pipeline *p)
{
	int64_t offset = p->read_offset ? p->read_offset() : clock_offset_ns(CLOCK_REALTIME, CLOCK_BOOTTIME);

	if (llabs(offset - p->boot_to_wall_ns) >= CLOCK_STEP_NS)
		p->boot_to_wall_ns = offset;
}

/* An interrupted sink has kept what it was given: no error, but the owner wants to know. */
static void sink_result(struct pipeline *p, int err)
{
	if (err == -EINTR)
		p->interrupted = true;
	else
		p->sink_error = err;
}

static void fan_out(struct pipeline *p, const struct event_view *view)
{
	for (unsigned i = 0; i < p->nsinks && !p->sink_error; i++)
		sink_result(p, p->sinks[i]->write(p->sinks[i], view));
}

static bool has_all(const struct pipeline *p)
{
	return p->limit && p->events >= p->limit;
}

static bool enough(const struct pipeline *p)
{
	return p->sink_error || p->interrupted || has_all(p);
}

/* What a record claims, checked or not: 0 if it is no sensor. */
static unsigned sensor_of(const void *data, size_t size)
{
	const struct tapio_event *ev = data;

	return size >= sizeof(*ev) && ev->sensor < TAPIO_SENSOR_MAX ? ev->sensor : 0;
}

static uint32_t origin_of(const struct tapio_event *ev)
{
	return (uint32_t)ev->cpu << 8 | ev->ring;
}

/* Whether the record was here before, and held. Then it was counted and learnt from. */
static bool comes_again(struct pipeline *p, const void *data, size_t size)
{
	const struct tapio_event *ev = data;

	if (!p->held || size < sizeof(*ev) || ev->number != p->held_number || origin_of(ev) != p->held_from)
		return false;
	p->held = false;
	return true;
}

static void hold(struct pipeline *p, const struct tapio_event *ev)
{
	p->held = true;
	p->held_number = ev->number;
	p->held_from = origin_of(ev);
}

/* Whether anybody is to see an event of this identity. */
static bool is_selected(struct pipeline *p, const struct event_view *view)
{
	if (!p->selector || select_event(p->selector, view))
		return true;
	p->unselected++;
	if (p->unwanted && view->who && select_never(p->selector, view->who))
		p->unwanted(p->unwanted_arg, &(struct tapio_cgroup_key){ view->ev->cgroup_id,
									 view->ev->legacy_cgroup_id });
	return false;
}

/* What it takes before anybody sees the event. 0, -EAGAIN, or 1: nobody is to see it. */
static int decide(struct pipeline *p, struct event_view *view, bool again)
{
	int err;

	if (p->identifier && !again)
		p->identifier->observe(p->identifier, view);
	if (view->ev->flags & TAPIO_F_INTERNAL)
		return 1;
	err = p->identifier ? p->identifier->identify(p->identifier, view, &view->who) : 0;
	if (err)
		return err;
	return is_selected(p, view) ? 0 : 1;
}

int pipeline_set_args(struct pipeline *p, enum redact_mode mode)
{
	if (mode != REDACT_FULL && !p->redacted)
		p->redacted = malloc(sizeof(*p->redacted));
	if (mode != REDACT_FULL && !p->redacted)
		return -ENOMEM;
	p->args = mode;
	return 0;
}

static void give(struct pipeline *p, const struct event_view *view)
{
	struct event_view shown;

	redact_view(view, p->args, p->redacted, &shown);
	fan_out(p, &shown);
	p->events++;
	p->by_type[view->desc->type]++;
}

/*
 * An event that a correlator made. It cannot be held: nobody makes it again. It is of the same process as the record that
 * it is made of, which was known then; by the time that a timeout is told it may be forgotten.
 */
static void made(void *arg, const struct tapio_event *ev)
{
	struct pipeline *p = arg;
	struct event_view view = { .ev = ev,
				   .desc = event_desc_by_type(ev->type),
				   .absent = &p->absent[ev->type],
				   .wall_ns = ev->ts_ns + (uint64_t)p->boot_to_wall_ns,
				   .boot_to_wall_ns = p->boot_to_wall_ns };

	/* A sink that was interrupted has kept what it was given, and is given the rest of what one record made. */
	if (p->sink_error || has_all(p) || (p->identifier && p->identifier->identify_now(p->identifier, &view, &view.who)))
		return;
	if (is_selected(p, &view))
		give(p, &view);
}

void pipeline_add_correlator(struct pipeline *p, struct correlator *correlator)
{
	if (p->ncorrelators == PIPELINE_CORRELATORS_MAX) {
		correlator->close(correlator);
		return;
	}
	correlator->made = made;
	correlator->arg = p;
	p->correlators[p->ncorrelators++] = correlator;
}

void pipeline_advance(struct pipeline *p, uint64_t now_ns)
{
	for (unsigned i = 0; i < p->ncorrelators; i++)
		p->correlators[i]->advance(p->correlators[i], now_ns);
}

uint64_t pipeline_due(const struct pipeline *p)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < p->ncorrelators; i++) {
		uint64_t due = p->correlators[i]->due(p->correlators[i]);

		if (due && (!first || due < first))
			first = due;
	}
	return first;
}

/* Records of which events are made, and which are none themselves. Whom they are about is found out first. */
static int correlate(struct pipeline *p, struct event_view *view, bool again)
{
	int err = 0;

	if (p->identifier && !again)
		p->identifier->observe(p->identifier, view);
	if (p->identifier)
		err = p->identifier->identify(p->identifier, view, &view->who);
	if (err)
		return err;
	for (unsigned i = 0; i < p->ncorrelators; i++)
		if (p->correlators[i]->takes >> view->desc->type & 1)
			p->correlators[i]->take(p->correlators[i], view);
	return 0;
}

int pipeline_record(struct pipeline *p, const void *data, size_t size, uint64_t ts_boot_ns)
{
	struct event_view view = { .ev = data, .boot_to_wall_ns = p->boot_to_wall_ns };
	unsigned sensor = sensor_of(data, size);
	bool again = comes_again(p, data, size);
	int err = event_check(data, size, &view.desc);
	bool published;

	p->received[sensor] += !again;
	if (!err && !view.desc->sensor)
		err = -ENOENT; /* made by user space only */
	if (err) {
		*(err == -ENOENT ? &p->unknown[sensor] : &p->malformed[sensor]) += 1;
		return 0;
	}
	p->records[view.desc->type] += !again;
	if (has_all(p))
		return 1;
	view.absent = &p->absent[view.desc->type];
	view.wall_ns = ts_boot_ns + (uint64_t)p->boot_to_wall_ns;
	published = event_desc_by_type(view.desc->type);
	err = published ? decide(p, &view, again) : correlate(p, &view, again);
	if (err == -EAGAIN)
		hold(p, view.ev);
	if (err)
		return err < 0 ? err : 0;
	if (published)
		give(p, &view);
	return enough(p);
}

/* An event of Tapio's own, which happens now. */
static void fan_out_own(struct pipeline *p, struct tapio_event *ev, unsigned type, size_t size,
			const struct event_identity *who)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	const struct event_view view = { .ev = ev,
					 .desc = event_desc_by_type(type),
					 .who = who,
					 .wall_ns = now + (uint64_t)p->boot_to_wall_ns,
					 .boot_to_wall_ns = p->boot_to_wall_ns };

	ev->ts_ns = now;
	ev->size = (__u32)size;
	ev->type = (__u16)type;
	fan_out(p, &view);
}

void pipeline_lost(struct pipeline *p, unsigned sensor, unsigned cause, uint64_t count, uint64_t interval_ns,
		   const struct tapio_cgroup_key *key, const struct event_identity *who)
{
	struct tapio_lost lost = {
		.cgroup_id = key ? key->id : 0,
		.legacy_cgroup_id = key ? key->legacy_id : 0,
		.count = count,
		.interval_ns = interval_ns,
		.sensor.value = sensor,
		.cause.value = cause,
	};

	fan_out_own(p, &lost.ev, TAPIO_EV_LOST, sizeof(lost), who);
}

void pipeline_identity(struct pipeline *p, const struct event_identity *who, const struct tapio_cgroup_key *key)
{
	struct tapio_identity identity = { .cgroup_id = key->id, .legacy_cgroup_id = key->legacy_id };

	/* Of a command or a path the earlier events told: here it is enough that one may have been wanted. */
	if (!p->selector || !select_never(p->selector, who))
		fan_out_own(p, &identity.ev, TAPIO_EV_IDENTITY, sizeof(identity), who);
}

static struct tapio_str tail_add(char *record, size_t *at, const char *text)
{
	struct tapio_str ref = { .offset = (__u16)*at, .length = (__u16)strlen(text) };

	memcpy(record + *at, text, ref.length);
	*at += ref.length;
	return ref;
}

void pipeline_started(struct pipeline *p, const char *version)
{
	struct {
		struct tapio_started started;
		char tail[128];
	} record = { .tail = "" };
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t at = sizeof(record.started);
	char boot_id[40] = "";

	if (f && !fgets(boot_id, sizeof(boot_id), f))
		boot_id[0] = '\0';
	boot_id[strcspn(boot_id, "\n")] = '\0';
	record.started.version = tail_add((char *)&record, &at, version);
	record.started.boot_id = tail_add((char *)&record, &at, boot_id);
	fan_out_own(p, &record.started.ev, TAPIO_EV_STARTED, at, NULL);
}

int pipeline_flush(struct pipeline *p)
{
	for (unsigned i = 0; i < p->nsinks && !p->sink_error; i++)
		sink_result(p, p->sinks[i]->flush(p->sinks[i]));
	return p->sink_error;
}
