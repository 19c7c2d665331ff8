/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events a second one core renders as JSON: json_bench [EVENTS]
 *
 * A process.exec and a process.exit as a node sees them: grep with a few arguments in a
 * container. Time and pid change from one event to the next, as they do in life. CPU time is
 * taken, and the best of five rounds: others on the machine are not what is measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "export/json.h"
#include "tests/record.h"

enum { ROUNDS = 5 };

static union record r;

static void make_exec(void)
{
	struct tapio_process_exec *e = &r.exec;

	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	memcpy(r.ev.comm, "grep\0\0\0\0\0", 9);
	r.ev.cgroup_id = 48213;
	e->start.ns = 4999999000000;
	e->parent_start.ns = 12000000000;
	e->cap_effective.bits = e->cap_permitted.bits = ~0ull;
	e->parent_pid = 311870;
	e->vpid = 412;
	e->uid = e->euid = e->gid = e->egid = 1000;
	e->pid_ns = 4026533271;
	e->mnt_ns = 4026533268;
	e->net_ns = 4026533273;
	e->user_ns = 4026531837;
	e->cgroup_ns = 4026533330;
	e->args_count = 5;
	e->args_size = 50;
	RECORD_TAIL(&r, &e->exe, "grep\0bin\0usr\0");
	RECORD_TAIL(&r, &e->cwd, "current\0releases\0app\0srv\0");
	RECORD_TAIL(&r, &e->filename, "/usr/bin/grep");
	RECORD_TAIL(&r, &e->args, "grep\0--line-number\0--\0connection refused\0worker.log\0");
}

static void make_exit(void)
{
	struct tapio_process_exit *e = &r.exit;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	memcpy(r.ev.comm, "grep\0\0\0\0\0", 9);
	r.ev.cgroup_id = 48213;
	e->start.ns = 4999999000000;
	e->ran_ns = 1823344;
	e->user_ns = 912003;
	e->system_ns = 871220;
	e->peak_rss_bytes = 2351104;
	e->parent_pid = 311870;
	e->vpid = 412;
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Renders the record `events` times with 64 KiB in between, as the sink does; returns the bytes. */
static unsigned long long render(struct buf *out, struct event_view *view, unsigned long long events)
{
	unsigned long long bytes = 0;

	for (unsigned long long i = 0; i < events; i++) {
		r.ev.tgid = r.ev.tid = (__u32)(i & 0x3fffff);
		view->wall_ns += 1733;
		json_event(out, view);
		if (out->length >= 65536 || i + 1 == events) {
			bytes += out->length;
			buf_reset(out);
		}
	}
	return bytes;
}

static int measure(const char *name, void (*make)(void), unsigned long long events)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	double best = 0, seconds;
	unsigned long long bytes = 0;
	struct event_view view;

	make();
	view = record_view(&r);
	if (!view.desc)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		seconds = cpu_seconds();
		bytes = render(&out, &view, events);
		seconds = cpu_seconds() - seconds;
		if (!best || seconds < best)
			best = seconds;
	}
	printf("%s  %.0f events/s  %.1f ns/event  %.0f bytes/event  %.0f MB/s\n", name,
	       (double)events / best, best / (double)events * 1e9, (double)bytes / (double)events,
	       (double)bytes / best / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long events = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

	if (!events) {
		fprintf(stderr, "usage: json_bench [EVENTS]\n");
		return 2;
	}
	return measure("process.exec", make_exec, events) | measure("process.exit", make_exit, events);
}
