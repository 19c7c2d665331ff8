/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void pipeline_init(struct pipeline *p)
{
	memset(p, 0, sizeof(*p));
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
	for (unsigned i = 0; i < p->nsinks; i++)
		p->sinks[i]->close(p->sinks[i]);
	for (unsigned i = 0; i < TAPIO_EV_MAX; i++)
		free((char *)p->absent[i].json);
	memset(p, 0, sizeof(*p));
}

/*
 * A process's creation time is half of its identity, so it must come out the same in each of its
 * events: the offset follows steps, suspends and what drift adds up to, not the noise of reading.
 */
#define CLOCK_STEP_NS 1000000

void pipeline_clocks(struct pipeline *p)
{
	int64_t offset = clock_offset_ns(CLOCK_REALTIME, CLOCK_BOOTTIME);

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

static bool enough(const struct pipeline *p)
{
	return p->sink_error || p->interrupted || (p->limit && p->events >= p->limit);
}

/* What a record claims, checked or not: 0 if it is no sensor. */
static unsigned sensor_of(const void *data, size_t size)
{
	const struct tapio_event *ev = data;

	return size >= sizeof(*ev) && ev->sensor < TAPIO_SENSOR_MAX ? ev->sensor : 0;
}

int pipeline_record(struct pipeline *p, const void *data, size_t size, uint64_t ts_boot_ns)
{
	struct event_view view = { .ev = data, .boot_to_wall_ns = p->boot_to_wall_ns };
	unsigned sensor = sensor_of(data, size);
	int err = event_check(data, size, &view.desc);

	p->received[sensor]++;
	if (!err && !view.desc->sensor)
		err = -ENOENT; /* made by user space only */
	if (err) {
		*(err == -ENOENT ? &p->unknown[sensor] : &p->malformed[sensor]) += 1;
		return 0;
	}
	if (p->limit && p->events >= p->limit)
		return 1;
	view.absent = &p->absent[view.desc->type];
	view.wall_ns = ts_boot_ns + (uint64_t)p->boot_to_wall_ns;
	fan_out(p, &view);
	p->events++;
	return enough(p);
}

void pipeline_lost(struct pipeline *p, unsigned sensor, unsigned cause, uint64_t count, uint64_t interval_ns)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	const struct tapio_lost lost = {
		.ev = { .ts_ns = now, .size = sizeof(lost), .type = TAPIO_EV_LOST },
		.count = count,
		.interval_ns = interval_ns,
		.sensor.value = sensor,
		.cause.value = cause,
	};
	const struct event_view view = { .ev = &lost.ev,
					 .desc = event_desc_by_type(TAPIO_EV_LOST),
					 .wall_ns = now + (uint64_t)p->boot_to_wall_ns,
					 .boot_to_wall_ns = p->boot_to_wall_ns };

	fan_out(p, &view);
}

int pipeline_flush(struct pipeline *p)
{
	for (unsigned i = 0; i < p->nsinks && !p->sink_error; i++)
		sink_result(p, p->sinks[i]->flush(p->sinks[i]));
	return p->sink_error;
}
