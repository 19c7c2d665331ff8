/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/agent.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/parse.h"
#include "base/privilege.h"
#include "cli/check.h"
#include "cli/dns_metrics.h"
#include "cli/privileges.h"
#include "export/descriptor.h"
#include "export/file.h"
#include "export/queued.h"

/* ---- the loop ---- */

static void arm_drain(struct agent *a)
{
	int ms = watch_timeout(&a->watch);
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms < 0)
		event_del(a->drain);
	else
		event_add(a->drain, &tv);
}

static void drain(struct agent *a)
{
	watch_drain(&a->watch, false);
	pipeline_flush(&a->watch.pipeline);
	arm_drain(a);
}

static void on_ring(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	(void)fd;
	(void)what;
	reader_woken(&a->watch.collector.reader);
	drain(a);
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	drain(arg);
}

static void tell_service_manager(struct agent *a, uint64_t now)
{
	if (!a->notify_ns || now - a->notified_ns < a->notify_ns)
		return;
	notify_send("WATCHDOG=1");
	a->notified_ns = now;
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	drain(a);
	watch_report_losses(&a->watch, false);
	pipeline_flush(&a->watch.pipeline);
	heartbeat_tick(&a->heartbeat, &a->watch.collector, a->watch.pipeline.records, now);
	bpf_stats_tick(&a->stats, a->watch.collector.runs, now);
	tell_service_manager(a, now);
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct agent *a = arg;

	(void)sig;
	(void)what;
	event_base_loopbreak(a->base);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	agent_reload(arg);
}

static int add_event(struct agent *a, struct event **ret, int fd, short what, event_callback_fn fn,
		     const struct timeval *tv)
{
	*ret = event_new(a->base, fd, what, fn, a);
	return *ret && !(what && event_add(*ret, tv)) ? 0 : -ENOMEM;
}

static int open_loop(struct agent *a, char *why, size_t size)
{
	const struct timeval second = { .tv_sec = 1 };
	int err;

	signal(SIGPIPE, SIG_IGN);
	a->base = event_base_new();
	err = a->base ? 0 : -ENOMEM;
	if (!err)
		err = add_event(a, &a->ring, a->watch.collector.transport.epoll_fd, EV_READ | EV_PERSIST, on_ring, NULL);
	if (!err)
		err = add_event(a, &a->names, watch_who_fd(&a->watch), EV_READ | EV_PERSIST, on_drain, NULL);
	if (!err)
		err = add_event(a, &a->drain, -1, 0, on_drain, NULL);
	if (!err)
		err = add_event(a, &a->second, -1, EV_PERSIST, on_second, &second);
	if (!err)
		err = add_event(a, &a->signals[0], SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop, NULL);
	if (!err)
		err = add_event(a, &a->signals[1], SIGINT, EV_SIGNAL | EV_PERSIST, on_stop, NULL);
	if (!err)
		err = add_event(a, &a->signals[2], SIGHUP, EV_SIGNAL | EV_PERSIST, on_reload, NULL);
	if (err)
		snprintf(why, size, "event loop: %s", strerror(-err));
	return err;
}

static void close_loop(struct agent *a)
{
	struct event *all[] = { a->ring, a->names, a->drain, a->second, a->signals[0], a->signals[1], a->signals[2] };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			event_free(all[i]);
	http_close(a->http);
	if (a->stream)
		stream_close(a->stream);
	if (a->base)
		event_base_free(a->base);
}

/* ---- sinks and servers ---- */

static int open_writer(const struct config_sink *sink, char *why, size_t size, struct writer **ret)
{
	const struct file_options file = { .path = sink->path, .max_bytes = sink->max_bytes, .keep = sink->keep };

	if (sink->type == CONFIG_SINK_FILE)
		return file_writer_open(&file, why, size, ret);
	*ret = descriptor_writer_open(STDOUT_FILENO);
	if (*ret)
		return 0;
	snprintf(why, size, "stdout: %s", strerror(ENOMEM));
	return -ENOMEM;
}

/* Paths are no labels of metrics: sinks are told by type and number there. */
static const char *sink_name(const struct agent *a, unsigned index)
{
	static const char *const names[CONFIG_SINKS_MAX] = { "file", "file2", "file3", "file4" };
	unsigned files = 0;

	if (a->config.sinks[index].type == CONFIG_SINK_STDOUT)
		return "stdout";
	for (unsigned i = 0; i < index; i++)
		files += a->config.sinks[i].type == CONFIG_SINK_FILE;
	return names[files];
}

static int open_sinks(struct agent *a, char *why, size_t size)
{
	static const struct text_options text = { .who = true };

	for (unsigned i = 0; i < a->config.nsinks; i++) {
		const struct config_sink *sink = &a->config.sinks[i];
		struct queued_options options = {
			.name = sink_name(a, i),
			.text = sink->format == CONFIG_FORMAT_TABLE ? &text : NULL,
			.max_bytes = sink->queue_bytes,
			.retry_ns = QUEUED_RETRY_NS,
			.close_ns = QUEUED_CLOSE_NS,
		};
		struct writer *writer;
		int err = open_writer(sink, why, size, &writer);

		if (err)
			return err;
		a->sinks[i] = queued_open(&options, writer);
		if (!a->sinks[i]) {
			snprintf(why, size, "sink %s: %s", options.name, strerror(ENOMEM));
			return -ENOMEM;
		}
		pipeline_add_sink(&a->watch.pipeline, a->sinks[i]);
		a->nsinks = i + 1;
	}
	return 0;
}

/* What metrics are made of: a sink that only counts. */
static int open_dns_summary(struct agent *a, char *why, size_t size)
{
	if (!a->watch.dns)
		return 0;
	a->dns = dns_summary_open(&dns_metrics_options);
	if (!a->dns) {
		snprintf(why, size, "dns: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	pipeline_add_sink(&a->watch.pipeline, &a->dns->sink);
	return 0;
}

static int open_servers(struct agent *a, char *why, size_t size)
{
	static struct http_handler pages[AGENT_PAGES + 1];
	const struct http_options http = { .address = a->config.listen, .handlers = pages };
	const struct stream_options stream = { .path = a->config.socket, .status = agent_status, .arg = a };

	agent_pages(a, pages);
	if (a->config.listen) {
		a->http = http_open(a->base, &http, why, size);
		if (!a->http)
			return -EADDRNOTAVAIL;
		log_info("listening on http://%s", http_address(a->http));
	}
	if (a->config.socket) {
		a->stream = stream_open(a->base, &stream, why, size);
		if (!a->stream)
			return -EADDRNOTAVAIL;
		pipeline_add_sink(&a->watch.pipeline, stream_sink(a->stream));
	}
	return 0;
}

/* ---- start and end ---- */

static int check_memory(struct agent *a, char *why, size_t size)
{
	const struct memory_options options = memory_options_of(&a->config);
	struct memory_part parts[MEMORY_PARTS_MAX];
	unsigned n = memory_parts(&a->watch.collector, &options, parts), largest = 0;

	a->memory_max_bytes = memory_sum(parts, n);
	if (a->memory_max_bytes <= a->config.memory_bytes)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if (parts[i].bytes > parts[largest].bytes)
			largest = i;
	snprintf(why, size, "limits.memory: %llu bytes: what is configured can take %llu, most of it for %s (%s): raise the limit or lower that; 'tapio check' prints the formula",
		 (unsigned long long)a->config.memory_bytes, (unsigned long long)a->memory_max_bytes,
		 parts[largest].what, parts[largest].how);
	return -ENOMEM;
}

/* The programs run and everything is open: what is not needed any more goes. */
static int give_up_privileges(struct agent *a, char *why, size_t size)
{
	const struct privilege_options options = { .identity = true, .stats = a->stats.mode != BPF_STATS_OFF };
	char reason[256];
	int err = privilege_keep(privileges_needed(&a->watch.collector, &options, true), why, size);

	if (err)
		return err;
	if (privilege_seccomp(PRIVILEGE_EXEC, reason, sizeof(reason)))
		log_warn("seccomp: %s, continuing without a filter of system calls", reason);
	return 0;
}

static int start_threads(struct agent *a, char *why, size_t size)
{
	int err = watch_start(&a->watch, why, size);

	for (unsigned i = 0; !err && i < a->nsinks; i++) {
		err = queued_start(a->sinks[i]);
		if (err)
			snprintf(why, size, "sink: starting its thread: %s", strerror(-err));
	}
	return err;
}

static void remember_capabilities(struct agent *a)
{
	static struct check check; /* large */
	FILE *f = open_memstream(&a->capabilities, &a->capabilities_length);

	if (!f)
		return;
	check.collector = a->watch.collector; /* borrowed for the moment of printing */
	check.config = &a->config;
	check_look_around(&check);
	check_print_json(&check, f);
	fclose(f);
}

static int start(struct agent *a, char *why, size_t size)
{
	int err = agent_set_args(a);

	if (err)
		snprintf(why, size, "no memory");
	else
		err = open_loop(a, why, size);
	if (!err)
		err = check_memory(a, why, size);
	if (!err)
		err = open_sinks(a, why, size);
	if (!err)
		err = open_dns_summary(a, why, size);
	if (!err)
		err = open_servers(a, why, size);
	if (err)
		return err;
	remember_capabilities(a);
	if (!a->args.keep_privileges)
		err = give_up_privileges(a, why, size);
	return err ? err : start_threads(a, why, size);
}

/* After the programs are detached: what is still in the rings, and the exact sums. */
static void finish(struct agent *a)
{
	struct pollfd pfd = { .fd = watch_who_fd(&a->watch), .events = POLLIN };

	notify_send("STOPPING=1");
	watch_detach(&a->watch);
	while (watch_drain(&a->watch, true) > 0 || a->watch.collector.reader.held)
		if (a->watch.collector.reader.held)
			poll(&pfd, 1, READER_HELD_MS);
	watch_report_losses(&a->watch, true);
	pipeline_flush(&a->watch.pipeline);
	for (unsigned i = 0; i < a->nsinks; i++)
		queued_stop(a->sinks[i]);
}

static void summary(struct agent *a)
{
	struct buf list = BUF_INIT(4096);
	uint64_t lost, refused, dropped = 0;

	watch_sums(&a->watch, &lost, &refused, &list);
	for (unsigned i = 0; i < a->nsinks; i++) {
		struct sink_stats s;

		a->sinks[i]->stats(a->sinks[i], &s);
		for (unsigned k = 0; k < SINK_DROPS; k++)
			dropped += s.dropped[k];
	}
	log_info("run: %llu events, %llu lost, %llu refused%s, %llu dropped by sinks",
		 (unsigned long long)a->watch.pipeline.events, (unsigned long long)lost,
		 (unsigned long long)refused, buf_cstr(&list), (unsigned long long)dropped);
	buf_free(&list);
}

static int run_agent(struct agent *a)
{
	char why[CONFIG_WHY_MAX];
	int err = start(a, why, sizeof(why));

	if (err) {
		log_error("run: %s", why);
		return STATUS_FAILED;
	}
	pipeline_started(&a->watch.pipeline, TAPIO_VERSION);
	pipeline_flush(&a->watch.pipeline);
	a->notify_ns = notify_watchdog_ns();
	notify_send("READY=1");
	arm_drain(a);
	event_base_dispatch(a->base);
	finish(a);
	summary(a);
	return STATUS_OK;
}

static int open_watch(struct agent *a, char *why, size_t size)
{
	struct collect_options *collect = &a->options.collect;

	*collect = a->run.collect;
	collect->events = a->config.events;
	collect->identity = true;
	collect->events_per_second = a->config.events_per_second;
	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		collect->transport.ring_bytes[i] = a->config.ring_bytes[i];
	config_dns_ports(&a->config, collect->dns_ports);
	a->options.dns_timeout_ns = a->config.dns_timeout_ns;
	a->options.cgroups = a->config.cgroups;
	a->options.host_root = a->config.host_root;
	agent_select(a);
	a->heartbeat.every_ns = a->args.heartbeat_ns;
	a->started_ns = clock_ns(CLOCK_MONOTONIC);
	a->started_wall_ns = a->loaded_wall_ns = clock_ns(CLOCK_REALTIME);
	/* Before anything is large or a thread: its helper keeps what we have now. */
	if (bpf_stats_open(&a->stats, (enum bpf_stats_mode)a->config.bpf_stats))
		log_warn("bpf-stats: %s, continuing without", a->stats.why);
	return watch_open(&a->watch, &a->options, why, size);
}

int cmd_run(int argc, char **argv)
{
	static struct agent a; /* large, and one per process */
	char why[CONFIG_WHY_MAX];
	int status;

	a.run.collect.transport = transport_defaults;
	status = agent_parse_args(&a, argc, argv);
	if (status < 0)
		status = check_host("run");
	else
		return status;
	if (status)
		return status;
	warn_about_view();
	if (open_watch(&a, why, sizeof(why))) {
		log_error("run: %s", why);
		bpf_stats_close(&a.stats);
		return STATUS_FAILED;
	}
	status = watch_announce(&a.watch, "SIGTERM ends") ? run_agent(&a) : STATUS_FAILED;
	pipeline_close(&a.watch.pipeline); /* its sinks, before the loop that they are in */
	close_loop(&a);
	watch_close(&a.watch);
	bpf_stats_close(&a.stats);
	free(a.capabilities);
	config_free(&a.config);
	return status;
}
