/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events a second one core renders as JSON: json_bench [EVENTS]
 *
 * The event is a process.exec as a node sees it: a shell that runs a command with eight
 * arguments. Time and pid change from one to the next, as they do in life.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "export/json.h"

struct record {
	struct tapio_process_exec exec;
	char tail[512];
} __attribute__((aligned(8)));

static __u16 tail_add(struct record *r, const char *s, size_t n)
{
	unsigned at = r->exec.ev.size;

	memcpy((char *)r + at, s, n);
	r->exec.ev.size += (__u32)n;
	return (__u16)at;
}

#define TAIL(r, ref, s)                                                                            \
	do {                                                                                       \
		(ref).offset = tail_add(r, s, sizeof(s) - 1);                                      \
		(ref).length = sizeof(s) - 1;                                                      \
	} while (0)

static void record_fill(struct record *r)
{
	struct tapio_process_exec *e = &r->exec;

	*e = (struct tapio_process_exec){
		.ev = { .ts_ns = 5000000000123, .cgroup_id = 48213, .tgid = 312044, .tid = 312044,
			.size = sizeof(*e), .type = TAPIO_EV_PROCESS_EXEC, .comm = "grep" },
		.start.ns = 5000000000000, .parent_start.ns = 12000000000,
		.cap_effective.bits = ~0ull, .cap_permitted.bits = ~0ull,
		.parent_pid = 311870, .vpid = 412, .uid = 1000, .euid = 1000, .gid = 1000,
		.egid = 1000, .pid_ns = 4026533271, .mnt_ns = 4026533268, .net_ns = 4026533273,
		.user_ns = 4026531837, .cgroup_ns = 4026533330, .args_count = 5, .args_size = 54,
	};
	TAIL(r, e->exe, "grep\0bin\0usr\0");
	TAIL(r, e->cwd, "current\0releases\0app\0srv\0");
	TAIL(r, e->filename, "/usr/bin/grep");
	TAIL(r, e->args, "grep\0--line-number\0--\0connection refused\0worker.log\0");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long long events = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000000, bytes = 0;
	struct buf out = BUF_INIT(1 << 20);
	static struct record record;
	struct event_view view = { .ev = &record.exec.ev, .wall_ns = 1772368496123456789,
				   .boot_to_wall_ns = 1772363496123456789 };
	double seconds;

	record_fill(&record);
	if (!events || event_check(&record, record.exec.ev.size, &view.desc)) {
		fprintf(stderr, "usage: json_bench [EVENTS]\n");
		return 2;
	}
	seconds = now();
	for (unsigned long long i = 0; i < events; i++) {
		record.exec.ev.tgid = record.exec.ev.tid = (__u32)(i & 0x3fffff);
		view.wall_ns += 1733;
		json_event(&out, &view);
		if (out.length >= 65536 || i + 1 == events) {
			bytes += out.length;
			if (i + 1 < events)
				buf_reset(&out);
		}
	}
	seconds = now() - seconds;
	printf("%.0f events/s  %.1f ns/event  %.0f bytes/event  %.0f MB/s\n", (double)events / seconds,
	       seconds / (double)events * 1e9, (double)bytes / (double)events,
	       (double)bytes / seconds / 1e6);
	if (getenv("JSON_BENCH_SHOW"))
		fwrite(out.data, 1, out.length < 2000 ? out.length : 2000, stdout);
	buf_free(&out);
	return 0;
}
