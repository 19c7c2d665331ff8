/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page /metrics. What labels may say is bounded: sensors, causes, events, programs, sinks by type and
 * number, of refusals the pod or unit, REFUSED_MAX of them (cli/refused.h), and of DNS what cli/dns_metrics.h says. Never a path, an argument, a
 * name that was looked up, or a pid.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "cli/agent.h"
#include "cli/dns_metrics.h"
#include "export/metrics.h"

static void metrics_agent(struct metrics *m, const struct agent *a)
{
	struct utsname u;

	uname(&u);
	metrics_family(m, "tapio_build", METRICS_INFO, NULL, "what runs, and on which kernel");
	metrics_u64(m, 1, "version", TAPIO_VERSION, "kernel", u.release, "arch", u.machine, "support",
		    support_level(&a->watch.collector), NULL);
	metrics_family(m, "process_start_time_seconds", METRICS_GAUGE, "seconds", "when the agent started, since 1970");
	metrics_ns(m, a->started_wall_ns, NULL);
	metrics_family(m, "process_cpu_seconds", METRICS_COUNTER, "seconds", "CPU time of the agent, all threads");
	metrics_ns(m, clock_ns(CLOCK_PROCESS_CPUTIME_ID), NULL);
	metrics_family(m, "process_resident_memory_bytes", METRICS_GAUGE, "bytes", "resident set size of the agent");
	metrics_u64(m, memory_resident(), NULL);
	metrics_family(m, "process_open_fds", METRICS_GAUGE, NULL, "open descriptors of the agent");
	metrics_u64(m, open_descriptors(), NULL);
	metrics_family(m, "tapio_memory_max_bytes", METRICS_GAUGE, "bytes",
		       "what the agent may take at most, maps included, by the formula of tapio check");
	metrics_u64(m, a->memory_max_bytes, NULL);
	metrics_family(m, "tapio_cgroup_memory_bytes", METRICS_GAUGE, "bytes",
		       "what the agent's own cgroup has charged, kernel memory included; absent without one");
	if (memory_of_own_cgroup())
		metrics_u64(m, memory_of_own_cgroup(), NULL);
	metrics_family(m, "tapio_config_reloads", METRICS_COUNTER, NULL, "SIGHUPs, by what became of them");
	metrics_u64(m, a->reloads, "result", "applied", NULL);
	metrics_u64(m, a->reload_failures, "result", "refused", NULL);
}

static void metrics_sensors(struct metrics *m, const struct agent *a)
{
	const struct sensor_run *runs = a->watch.collector.runs;

	metrics_family(m, "tapio_sensor_tier", METRICS_GAUGE, NULL, "1: the sensor runs at this tier; \"none\": at no tier");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (runs[i].sensor)
			metrics_u64(m, 1, "sensor", sensor_name(i), "tier", runs[i].tier ? runs[i].tier->name : "none", NULL);
	metrics_family(m, "tapio_sensor_alive", METRICS_GAUGE, NULL,
		       "0: no tier runs, or a heartbeat passed its hook unseen");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (runs[i].sensor)
			metrics_u64(m, runs[i].tier && a->heartbeat.state[i] != HEARTBEAT_DEAD, "sensor", sensor_name(i), NULL);
	metrics_family(m, "tapio_heartbeats", METRICS_COUNTER, NULL, "processes made to test silent hooks");
	metrics_u64(m, a->heartbeat.sent - a->heartbeat.failed, "result", "sent", NULL);
	metrics_u64(m, a->heartbeat.failed, "result", "failed", NULL);
}

static void metrics_events(struct metrics *m, const struct agent *a)
{
	const struct pipeline *p = &a->watch.pipeline;

	metrics_family(m, "tapio_events", METRICS_COUNTER, NULL, "events given to the sinks");
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor && (a->config.events & EVENT_BIT(type)))
			metrics_u64(m, p->by_type[type], "sensor", sensor_name(desc->sensor), "event", desc->name, NULL);
	}
	metrics_family(m, "tapio_records", METRICS_COUNTER, NULL, "records read from the rings");
	for (unsigned i = 1; i < TAPIO_SENSOR_MAX; i++)
		if (a->watch.collector.runs[i].sensor)
			metrics_u64(m, p->received[i], "sensor", sensor_name(i), NULL);
	metrics_family(m, "tapio_events_not_selected", METRICS_COUNTER, NULL,
		       "events that the filters passed over after the kernel had sent them");
	metrics_u64(m, p->unselected, NULL);
}

static void losses(struct metrics *m, const struct agent *a, bool refused)
{
	for (unsigned s = 1; s < TAPIO_SENSOR_MAX; s++)
		for (unsigned c = 0; c < TAPIO_CAUSE_MAX && a->watch.collector.runs[s].sensor; c++)
			if (watch_is_refusal(c) == refused && c != TAPIO_CAUSE_SINK_FULL && c != TAPIO_CAUSE_SINK_FAILED)
				metrics_u64(m, a->watch.reported.count[s][c], "sensor", sensor_name(s), "cause",
					    cause_name(c), NULL);
}

static void metrics_losses(struct metrics *m, const struct agent *a)
{
	const struct refused *r = &a->watch.refused;

	metrics_family(m, "tapio_lost_events", METRICS_COUNTER, NULL, "events that did not arrive, by sensor and cause");
	losses(m, a, false);
	metrics_family(m, "tapio_refused_events", METRICS_COUNTER, NULL,
		       "events, or parts of one, that were refused, by sensor and cause");
	losses(m, a, true);
	metrics_family(m, "tapio_budget_refused_events", METRICS_COUNTER, NULL,
		       "events beyond limits.events_per_second (of DNS: packets beyond eight times that), by whose they were; the noisiest alone, all others together");
	for (unsigned i = 0; i < r->n; i++)
		metrics_u64(m, r->rows[i].count, "sensor", sensor_name(r->rows[i].sensor), "k8s_namespace_name",
			    r->rows[i].namespace_name, "k8s_pod_name", r->rows[i].pod, "systemd_unit", r->rows[i].unit, NULL);
	metrics_u64(m, r->others, "sensor", "all", "k8s_pod_name", "(others)", NULL);
}

static void metrics_rings(struct metrics *m, const struct transport *t)
{
	static const char *const names[TAPIO_RINGS] = { "control", "bulk" };
	size_t fill[TAPIO_RINGS], size[TAPIO_RINGS];

	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		fill[i] = transport_fill(t, i, &size[i]);
	metrics_family(m, "tapio_ring_fill_bytes", METRICS_GAUGE, "bytes", "bytes that wait to be read");
	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		metrics_u64(m, fill[i], "ring", names[i], NULL);
	metrics_family(m, "tapio_ring_size_bytes", METRICS_GAUGE, "bytes", "room of the ring, or of its buffers on all CPUs");
	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		metrics_u64(m, size[i], "ring", names[i], NULL);
}

static void metrics_identity(struct metrics *m, const struct who *who)
{
	struct who_stats s;

	who_stats(who, &s);
	metrics_family(m, "tapio_identity_cgroups", METRICS_GAUGE, NULL, "cgroups remembered");
	metrics_u64(m, s.cgroups - s.removed, "state", "living", NULL);
	metrics_u64(m, s.removed, "state", "removed", NULL);
	metrics_family(m, "tapio_identity_cgroups_max", METRICS_GAUGE, NULL, "cgroups that can be remembered");
	metrics_u64(m, s.cgroups_max, NULL);
	metrics_family(m, "tapio_identity_names_bytes", METRICS_GAUGE, "bytes", "memory of their names");
	metrics_u64(m, s.bytes, NULL);
	metrics_family(m, "tapio_identity_evictions", METRICS_COUNTER, NULL, "cgroups that were forgotten for others");
	metrics_u64(m, s.evicted, NULL);
	metrics_family(m, "tapio_identity_missed", METRICS_COUNTER, NULL,
		       "cgroups whose creation was not seen, found by their id");
	metrics_u64(m, s.missed, NULL);
	metrics_family(m, "tapio_identity_refused", METRICS_COUNTER, NULL, "look-ups and processes that found no place");
	metrics_u64(m, s.refused, NULL);
	metrics_family(m, "tapio_identity_events", METRICS_COUNTER, NULL, "events, by what was known of whom they were about");
	metrics_u64(m, s.identified, "known", "asked", NULL);
	for (unsigned i = 0; i < IDENTITY_REASONS; i++)
		if (identity_reason_name(i))
			metrics_u64(m, s.unknown[i], "known", identity_reason_name(i), NULL);
}

static void metrics_sinks(struct metrics *m, const struct agent *a)
{
	struct sink_stats s[CONFIG_SINKS_MAX];

	for (unsigned i = 0; i < a->nsinks; i++)
		a->sinks[i]->stats(a->sinks[i], &s[i]);
	metrics_family(m, "tapio_sink_events", METRICS_COUNTER, NULL, "events written");
	for (unsigned i = 0; i < a->nsinks; i++)
		metrics_u64(m, s[i].events, "sink", s[i].name, NULL);
	metrics_family(m, "tapio_sink_bytes", METRICS_COUNTER, "bytes", "bytes written");
	for (unsigned i = 0; i < a->nsinks; i++)
		metrics_u64(m, s[i].bytes, "sink", s[i].name, NULL);
	metrics_family(m, "tapio_sink_dropped_events", METRICS_COUNTER, NULL, "events that a sink dropped");
	for (unsigned i = 0; i < a->nsinks; i++) {
		metrics_u64(m, s[i].dropped[SINK_DROP_QUEUE_FULL], "sink", s[i].name, "cause", "queue_full", NULL);
		metrics_u64(m, s[i].dropped[SINK_DROP_FAILED], "sink", s[i].name, "cause", "failed", NULL);
	}
	metrics_family(m, "tapio_sink_queue_bytes", METRICS_GAUGE, "bytes", "bytes that wait in a sink's queue");
	for (unsigned i = 0; i < a->nsinks; i++)
		metrics_u64(m, s[i].queue_bytes, "sink", s[i].name, NULL);
	metrics_family(m, "tapio_sink_queue_size_bytes", METRICS_GAUGE, "bytes", "room of a sink's queue");
	for (unsigned i = 0; i < a->nsinks; i++)
		metrics_u64(m, s[i].queue_max_bytes, "sink", s[i].name, NULL);
	metrics_family(m, "tapio_sink_failing", METRICS_GAUGE, NULL, "1: the last write failed");
	for (unsigned i = 0; i < a->nsinks; i++)
		metrics_u64(m, s[i].error != 0, "sink", s[i].name, NULL);
}

/* One family over all programs; samples of a family stand together. */
static void programs(struct metrics *m, const struct agent *a, int which)
{
	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++) {
		const struct sensor_run *run = &a->watch.collector.runs[s];
		struct program_stats p;

		for (unsigned i = 0; run->tier && !bpf_stats_of(&a->stats, run, i, &p); i++) {
			if (which == 0)
				metrics_ns(m, p.run_ns, "sensor", sensor_name(s), "program", p.name, NULL);
			else
				metrics_u64(m, which == 1 ? p.runs : p.misses, "sensor", sensor_name(s), "program",
					    p.name, NULL);
		}
	}
}

static void metrics_bpf(struct metrics *m, const struct agent *a)
{
	bool counted = a->stats.mode != BPF_STATS_OFF && !a->stats.why[0];

	metrics_family(m, "tapio_bpf_missed_runs", METRICS_COUNTER, NULL, "runs that the kernel skipped to prevent recursion");
	programs(m, a, 2);
	metrics_family(m, "tapio_bpf_stats", METRICS_INFO, NULL, "whether run time is counted, and why not");
	metrics_u64(m, 1, "mode", a->stats.mode == BPF_STATS_OFF ? "off" : a->stats.mode == BPF_STATS_ALWAYS ? "always" : "sampled",
		    "absent", counted ? NULL : a->stats.mode == BPF_STATS_OFF ? "switched off" : a->stats.why, NULL);
	if (!counted)
		return;
	metrics_family(m, "tapio_bpf_stats_enabled_seconds", METRICS_COUNTER, "seconds",
		       "for how long run time was counted: divide tapio_bpf_run_seconds by it");
	metrics_ns(m, a->stats.enabled_ns, NULL);
	metrics_family(m, "tapio_bpf_run_seconds", METRICS_COUNTER, "seconds", "run time of a program while it was counted");
	programs(m, a, 0);
	metrics_family(m, "tapio_bpf_runs", METRICS_COUNTER, NULL, "runs of a program while they were counted");
	programs(m, a, 1);
}

static void metrics_servers(struct metrics *m, const struct agent *a)
{
	struct http_stats h = { .accepted = 0 };
	struct stream_stats s = { .clients = 0 };

	if (a->http)
		http_stats(a->http, &h);
	if (a->stream)
		stream_stats(a->stream, &s);
	metrics_family(m, "tapio_http_responses", METRICS_COUNTER, NULL, "HTTP responses, by class of status");
	metrics_u64(m, h.responses[2], "code", "2xx", NULL);
	metrics_u64(m, h.responses[4], "code", "4xx", NULL);
	metrics_u64(m, h.responses[5], "code", "5xx", NULL);
	metrics_family(m, "tapio_clients", METRICS_GAUGE, NULL, "connections now");
	metrics_u64(m, h.connections, "server", "http", NULL);
	metrics_u64(m, s.clients, "server", "socket", NULL);
	metrics_family(m, "tapio_clients_refused", METRICS_COUNTER, NULL, "connections that were closed, and why");
	metrics_u64(m, h.refused, "server", "http", "cause", "too_many", NULL);
	metrics_u64(m, h.timeouts, "server", "http", "cause", "too_slow", NULL);
	metrics_u64(m, s.refused, "server", "socket", "cause", "too_many", NULL);
	metrics_u64(m, s.timeouts, "server", "socket", "cause", "too_slow", NULL);
	metrics_u64(m, s.denied, "server", "socket", "cause", "not_permitted", NULL);
}

int agent_metrics(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	enum metrics_format format = metrics_negotiate(request->accept);
	const struct agent *a = arg;
	struct dns_stats dns;
	struct metrics m;

	metrics_begin(&m, out, format);
	metrics_agent(&m, a);
	metrics_sensors(&m, a);
	metrics_events(&m, a);
	metrics_losses(&m, a);
	metrics_rings(&m, &a->watch.collector.transport);
	metrics_identity(&m, a->watch.who);
	metrics_sinks(&m, a);
	metrics_bpf(&m, a);
	if (a->dns) {
		dns_stats(a->watch.dns, &dns);
		dns_metrics(&m, a->dns, &dns);
	}
	metrics_servers(&m, a);
	*content_type = metrics_content_type(format);
	return metrics_end(&m) ? 500 : 200;
}
