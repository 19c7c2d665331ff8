/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent serves: health, capabilities, status. Metrics are in agent_metrics.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/agent.h"
#include "export/json.h"

const char agent_status_schema[] = "tapio.status/1";

/* ---- health ---- */

static bool sensor_is_dead(const struct agent *a, unsigned sensor)
{
	const struct sensor_run *run = &a->watch.collector.runs[sensor];

	return run->sensor && (!run->tier || a->heartbeat.state[sensor] == HEARTBEAT_DEAD);
}

const char *agent_trouble(const struct agent *a, char *text, size_t size)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (sensor_is_dead(a, i)) {
			snprintf(text, size, "sensor %s: %s", sensor_name(i),
				 a->watch.collector.runs[i].tier ? "its hook is dead" : "no tier runs");
			return text;
		}
	for (unsigned i = 0; i < a->nsinks; i++) {
		struct sink_stats s;

		a->sinks[i]->stats(a->sinks[i], &s);
		if (!s.error)
			continue;
		snprintf(text, size, "sink %s: %s", s.name, strerror(s.error));
		return text;
	}
	return NULL;
}

/* Alive: the loop turns, or nobody would answer. A sensor that died takes a restart. */
static int healthz(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	const struct agent *a = arg;

	(void)request;
	(void)content_type;
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (a->heartbeat.state[i] == HEARTBEAT_DEAD) {
			buf_printf(out, "sensor %s: its hook is dead\n", sensor_name(i));
			return 503;
		}
	buf_adds(out, "ok\n");
	return 200;
}

/* Ready: all that was asked for works now. */
static int readyz(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	char text[256];

	(void)request;
	(void)content_type;
	if (agent_trouble(arg, text, sizeof(text))) {
		buf_printf(out, "%s\n", text);
		return 503;
	}
	buf_adds(out, "ok\n");
	return 200;
}

static int capabilities(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	const struct agent *a = arg;

	(void)request;
	(void)content_type;
	buf_add(out, a->capabilities, a->capabilities_length);
	return 200;
}

static int index_page(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)arg;
	(void)request;
	(void)content_type;
	buf_adds(out, "Tapio " TAPIO_VERSION "\n/metrics /healthz /readyz /capabilities\n");
	return 200;
}

void agent_pages(struct agent *a, struct http_handler ret[AGENT_PAGES + 1])
{
	const struct http_handler pages[AGENT_PAGES + 1] = {
		{ "/", "text/plain; charset=utf-8", index_page, a },
		{ "/metrics", "text/plain; charset=utf-8", agent_metrics, a },
		{ "/healthz", "text/plain; charset=utf-8", healthz, a },
		{ "/readyz", "text/plain; charset=utf-8", readyz, a },
		{ "/capabilities", "application/json", capabilities, a },
	};

	memcpy(ret, pages, sizeof(pages));
}

/* ---- status ---- */

static void member(struct buf *out, const char *name)
{
	char last = out->length ? out->data[out->length - 1] : '{';

	if (last != '{' && last != '[')
		buf_addc(out, ',');
	json_quote(out, name, strlen(name));
	buf_addc(out, ':');
}

static void text(struct buf *out, const char *name, const char *value)
{
	member(out, name);
	if (value)
		json_quote(out, value, strlen(value));
	else
		buf_adds(out, "null");
}

static void number(struct buf *out, const char *name, uint64_t value)
{
	member(out, name);
	buf_printf(out, "%llu", (unsigned long long)value);
}

static void begin(struct buf *out, const char *name)
{
	member(out, name);
	buf_addc(out, '{');
}

static void end(struct buf *out)
{
	buf_addc(out, '}');
}

static void status_lost(struct buf *out, const struct watch *w, unsigned sensor)
{
	begin(out, "lost_or_refused");
	for (unsigned c = 0; c < TAPIO_CAUSE_MAX; c++)
		if (w->reported.count[sensor][c])
			number(out, cause_name(c), w->reported.count[sensor][c]);
	end(out);
}

static void status_sensors(struct buf *out, const struct agent *a)
{
	static const char *const states[] = { [HEARTBEAT_UNTESTED] = "untested", [HEARTBEAT_ALIVE] = "alive",
					      [HEARTBEAT_DEAD] = "dead" };

	begin(out, "sensors");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_run *run = &a->watch.collector.runs[i];

		if (!run->sensor)
			continue;
		begin(out, sensor_name(i));
		text(out, "tier", run->tier ? run->tier->name : NULL);
		number(out, "records", a->watch.pipeline.received[i]);
		text(out, "heartbeat", states[a->heartbeat.state[i]]);
		status_lost(out, &a->watch, i);
		end(out);
	}
	end(out);
}

static void status_events(struct buf *out, const struct pipeline *p)
{
	begin(out, "events");
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (p->by_type[type])
			number(out, event_desc_by_type(type)->name, p->by_type[type]);
	number(out, "not_selected", p->unselected);
	end(out);
}

static void status_identity(struct buf *out, const struct agent *a)
{
	struct who_stats s;

	who_stats(a->watch.who, &s);
	begin(out, "identity");
	number(out, "cgroups", s.cgroups);
	number(out, "cgroups_max", s.cgroups_max);
	number(out, "names_bytes", s.bytes);
	number(out, "evicted", s.evicted);
	number(out, "found_by_id", s.missed);
	number(out, "events", s.identified);
	begin(out, "unknown");
	for (unsigned i = 0; i < IDENTITY_REASONS; i++)
		if (s.unknown[i])
			number(out, identity_reason_name(i), s.unknown[i]);
	end(out);
	end(out);
}

static void status_sinks(struct buf *out, const struct agent *a)
{
	begin(out, "sinks");
	for (unsigned i = 0; i < a->nsinks; i++) {
		struct sink_stats s;

		a->sinks[i]->stats(a->sinks[i], &s);
		begin(out, s.name);
		if (a->config.sinks[i].path)
			text(out, "path", a->config.sinks[i].path);
		number(out, "events", s.events);
		number(out, "bytes", s.bytes);
		number(out, "queue_bytes", s.queue_bytes);
		number(out, "queue_max_bytes", s.queue_max_bytes);
		number(out, "dropped_queue_full", s.dropped[SINK_DROP_QUEUE_FULL]);
		number(out, "dropped_failed", s.dropped[SINK_DROP_FAILED]);
		text(out, "error", s.error ? strerror(s.error) : NULL);
		end(out);
	}
	end(out);
}

static void status_memory(struct buf *out, const struct agent *a)
{
	begin(out, "memory");
	number(out, "max_bytes", a->memory_max_bytes);
	number(out, "limit_bytes", a->config.memory_bytes);
	number(out, "resident_bytes", memory_resident());
	number(out, "cgroup_bytes", memory_of_own_cgroup());
	end(out);
}

int agent_status(void *arg, struct buf *out)
{
	const struct agent *a = arg;
	char trouble[256];

	buf_addc(out, '{');
	text(out, "schema", agent_status_schema);
	text(out, "version", TAPIO_VERSION);
	number(out, "uptime_seconds", (clock_ns(CLOCK_MONOTONIC) - a->started_ns) / NS_PER_S);
	text(out, "support", support_level(&a->watch.collector));
	text(out, "trouble", agent_trouble(a, trouble, sizeof(trouble)));
	status_sensors(out, a);
	status_events(out, &a->watch.pipeline);
	status_identity(out, a);
	status_sinks(out, a);
	status_memory(out, a);
	number(out, "cpu_ms", clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_MS);
	text(out, "bpf_stats", a->stats.mode == BPF_STATS_OFF ? "off" : a->stats.why[0] ? a->stats.why : "on");
	number(out, "reloads", a->reloads);
	number(out, "reload_failures", a->reload_failures);
	buf_addc(out, '}');
	return out->refused ? -ENOBUFS : 0;
}
