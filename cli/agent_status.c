/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's status as JSON: docs/STATUS.md. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/agent.h"
#include "export/json_doc.h"

#define STATUS_SCHEMA "tapio.status/1"

/* "" becomes null as well. */
static void text(struct buf *out, const char *name, const char *value)
{
	doc_text(out, name, value && *value ? value : NULL);
}

static void instant(struct buf *out, const char *name, uint64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	char value[40];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(value, sizeof(value), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text(out, name, value);
}

static void configuration(struct buf *out, const struct agent *a)
{
	doc_begin(out, "configuration", '{');
	text(out, "file", a->config_path);
	instant(out, "loaded", a->loaded_wall_ns);
	text(out, "error", a->reload_error);
	buf_addc(out, '}');
}

static void list_sensors(struct buf *out, const struct agent *a)
{
	static const char *const states[] = { [HEARTBEAT_UNTESTED] = NULL, [HEARTBEAT_ALIVE] = "alive",
					      [HEARTBEAT_DEAD] = "dead" };

	doc_begin(out, "sensors", '[');
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_run *run = &a->watch.collector.runs[i];
		uint64_t lost = 0;

		if (!run->sensor)
			continue;
		for (unsigned c = 0; c < TAPIO_CAUSE_MAX; c++)
			lost += a->watch.reported.count[i][c];
		doc_begin(out, NULL, '{');
		text(out, "name", sensor_name(i));
		text(out, "collector", collector_name(i));
		text(out, "tier", run->tier ? run->tier->name : NULL);
		text(out, "heartbeat", states[a->heartbeat.state[i]]);
		doc_number(out, "events", a->watch.pipeline.received[i]);
		doc_number(out, "lost", lost);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void events(struct buf *out, const struct watch *w)
{
	doc_begin(out, "events", '{');
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (w->pipeline.by_type[type])
			doc_number(out, event_desc_by_type(type)->name, w->pipeline.by_type[type]);
	buf_addc(out, '}');
	doc_number(out, "not_selected", w->pipeline.unselected);
	doc_begin(out, "lost", '{');
	for (unsigned c = 0; c < TAPIO_CAUSE_MAX; c++) {
		uint64_t sum = 0;

		for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++)
			sum += w->reported.count[s][c];
		if (sum)
			doc_number(out, cause_name(c), sum);
	}
	buf_addc(out, '}');
}

static void rings(struct buf *out, const struct transport *t)
{
	static const char *const names[TAPIO_RINGS] = { "control", "bulk" };

	doc_begin(out, "rings", '[');
	for (unsigned ring = 0; ring < TAPIO_RINGS; ring++) {
		size_t size, used = transport_fill(t, ring, &size);

		doc_begin(out, NULL, '{');
		text(out, "name", names[ring]);
		doc_number(out, "size_bytes", size);
		doc_number(out, "used_bytes", used);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void identity(struct buf *out, const struct who *who)
{
	struct who_stats s;

	who_stats(who, &s);
	doc_begin(out, "identity", '{');
	doc_number(out, "cgroups", s.cgroups);
	doc_number(out, "cgroups_max", s.cgroups_max);
	doc_number(out, "names_bytes", s.bytes);
	doc_number(out, "lookups", s.identified);
	doc_number(out, "found_by_id", s.missed);
	doc_number(out, "evicted", s.evicted);
	doc_begin(out, "unknown", '{');
	for (unsigned i = 0; i < IDENTITY_REASONS; i++)
		if (s.unknown[i])
			doc_number(out, identity_reason_name(i), s.unknown[i]);
	buf_adds(out, "}}");
}

static void sinks(struct buf *out, const struct agent *a)
{
	doc_begin(out, "sinks", '[');
	for (unsigned i = 0; i < a->nsinks; i++) {
		struct sink_stats s;

		a->sinks[i]->stats(a->sinks[i], &s);
		doc_begin(out, NULL, '{');
		text(out, "name", s.name);
		text(out, "path", a->config.sinks[i].path);
		doc_number(out, "events", s.events);
		doc_number(out, "written_bytes", s.bytes);
		doc_number(out, "queue_bytes", s.queue_bytes);
		doc_number(out, "queue_max_bytes", s.queue_max_bytes);
		doc_begin(out, "dropped", '{');
		for (enum sink_drop d = 0; d < SINK_DROPS; d++)
			doc_number(out, sink_drop_name(d), s.dropped[d]);
		buf_addc(out, '}');
		text(out, "error", s.error ? strerror(s.error) : NULL);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void servers(struct buf *out, const struct agent *a)
{
	struct http_stats h = { .accepted = 0 };
	struct stream_stats s = { .clients = 0 };

	if (a->http)
		http_stats(a->http, &h);
	if (a->stream)
		stream_stats(a->stream, &s);
	doc_begin(out, "http", '{');
	text(out, "address", a->http ? http_address(a->http) : NULL);
	doc_number(out, "connections", h.connections);
	doc_begin(out, "responses", '{');
	doc_number(out, "2xx", h.responses[2]);
	doc_number(out, "4xx", h.responses[4]);
	doc_number(out, "5xx", h.responses[5]);
	buf_addc(out, '}');
	doc_number(out, "refused", h.refused);
	doc_number(out, "timeouts", h.timeouts);
	buf_addc(out, '}');
	doc_begin(out, "socket", '{');
	text(out, "path", a->config.socket);
	doc_number(out, "clients", s.clients);
	doc_number(out, "attached", s.attached);
	doc_number(out, "refused", s.refused);
	doc_number(out, "denied", s.denied);
	doc_number(out, "errors", s.errors);
	doc_number(out, "timeouts", s.timeouts);
	buf_addc(out, '}');
}

static void memory(struct buf *out, const struct agent *a)
{
	doc_begin(out, "memory", '{');
	doc_number(out, "rss_bytes", memory_resident());
	doc_number(out, "cgroup_bytes", memory_of_own_cgroup());
	doc_number(out, "max_bytes", a->memory_max_bytes);
	doc_number(out, "limit_bytes", a->config.memory_bytes);
	buf_addc(out, '}');
}

static uint64_t bpf_ns(const struct agent *a)
{
	uint64_t sum = 0;

	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++) {
		const struct sensor_run *run = &a->watch.collector.runs[s];
		struct program_stats p;

		for (unsigned i = 0; run->tier && !bpf_stats_of(&a->stats, run, i, &p); i++)
			sum += p.run_ns;
	}
	return sum;
}

static uint64_t timeval_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * NS_PER_S + (uint64_t)tv.tv_usec * 1000;
}

static void cpu(struct buf *out, const struct agent *a)
{
	bool counted = a->stats.mode != BPF_STATS_OFF && !a->stats.why[0];
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	doc_begin(out, "cpu", '{');
	doc_number(out, "user_ns", timeval_ns(usage.ru_utime));
	doc_number(out, "system_ns", timeval_ns(usage.ru_stime));
	if (counted) {
		doc_number(out, "bpf_ns", bpf_ns(a));
		doc_number(out, "bpf_counted_ns", a->stats.enabled_ns);
	} else {
		text(out, "bpf_ns", NULL);
		text(out, "bpf_absent", a->stats.mode == BPF_STATS_OFF ? "switched off" : a->stats.why);
	}
	buf_addc(out, '}');
}

int agent_status(void *arg, struct buf *out)
{
	const struct agent *a = arg;
	char trouble[256];

	buf_addc(out, '{');
	text(out, "schema", STATUS_SCHEMA);
	text(out, "version", TAPIO_VERSION);
	doc_number(out, "pid", (uint64_t)getpid());
	instant(out, "started", a->started_wall_ns);
	doc_number(out, "uptime_ns", clock_ns(CLOCK_MONOTONIC) - a->started_ns);
	text(out, "level", support_level(&a->watch.collector));
	text(out, "trouble", agent_trouble(a, trouble, sizeof(trouble)));
	configuration(out, a);
	list_sensors(out, a);
	events(out, &a->watch);
	rings(out, &a->watch.collector.transport);
	identity(out, a->watch.who);
	sinks(out, a);
	servers(out, a);
	memory(out, a);
	cpu(out, a);
	buf_addc(out, '}');
	return out->refused ? -ENOBUFS : 0;
}
