/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often BPF programs ran and for how long, as the kernel counts it (5.8 and later).
 *
 * Counting slows every BPF program of the machine while it is on, so it is on for one second of a
 * minute. What is reported is what was counted in those windows, and their length: the programs'
 * share of a CPU is run_ns / enabled_ns, whoever else has the counting on at other times.
 *
 * Switching it on takes CAP_SYS_ADMIN, which the agent gives up. A helper process keeps it: forked at
 * set-up, it has no other capability and no system calls but those that switch, and ends with the
 * agent however that ends.
 */
#ifndef COLLECT_BPF_STATS_H
#define COLLECT_BPF_STATS_H

#include <stdint.h>
#include <sys/types.h>

#include "collect/sensor.h"

struct program_stats {
	const char *name; /* of the program; both live as long as the sensor runs at this tier */
	const char *hook; /* "tp_btf/sched_process_exec" */
	uint32_t id;
	uint64_t runs, run_ns; /* while counting was on */
	uint64_t misses;       /* runs that the kernel skipped, since it was loaded */
};

/* Of the i-th program that a sensor has loaded, since it was. 0, -ENOENT past the last, or a negative errno. */
int sensor_program_stats(const struct sensor_run *run, unsigned i, struct program_stats *ret);

enum bpf_stats_mode { BPF_STATS_OFF, BPF_STATS_SAMPLED, BPF_STATS_ALWAYS };

enum bpf_stats_state { BPF_STATS_IDLE, BPF_STATS_ASKED, BPF_STATS_COUNTING };

/* One program's counters when the window began, and the sums of all windows. */
struct bpf_stats_sum {
	uint32_t id;      /* whose sums these are */
	uint32_t base_id; /* whose window has begun, 0: nobody's */
	uint64_t base_runs, base_run_ns;
	uint64_t runs, run_ns;
};

struct bpf_stats {
	enum bpf_stats_mode mode;
	enum bpf_stats_state state;
	uint64_t on_ns, period_ns; /* length of a window and from one to the next, about */
	uint64_t next_ns;          /* when a tick has something to do */
	uint64_t began_ns;         /* of the window, or of the question */
	uint64_t enabled_ns;       /* length of all windows so far */
	uint64_t windows;
	int fd; /* to the helper; -1: none */
	pid_t helper;
	char why[160]; /* why nothing is counted; "": it is */
	struct bpf_stats_sum sums[TAPIO_SENSOR_MAX][TIER_PROGRAMS_MAX];
};

/*
 * Tries whether counting can be switched on and starts the helper: before threads, before
 * privilege_keep, and early, because the helper keeps what memory the process has then. 0, or a negative
 * errno with the reason in s->why, and all other functions may be called all the same: -EPERM without
 * CAP_SYS_ADMIN, -EOPNOTSUPP before 5.8. Mode off is no error.
 *
 * The helper is a child: wait for one's own children by their ids.
 */
int bpf_stats_open(struct bpf_stats *s, enum bpf_stats_mode mode);

/*
 * Begins or ends a window if it is time; never blocks. `runs` are the collector's, now_ns the
 * monotonic clock's. Returns when to call again, UINT64_MAX for never; a late call makes a longer window, not
 * a wrong one.
 */
uint64_t bpf_stats_tick(struct bpf_stats *s, const struct sensor_run runs[TAPIO_SENSOR_MAX], uint64_t now_ns);

/*
 * As sensor_program_stats, with `runs` and `run_ns` of the windows that have ended (of `always`: until the
 * last tick that settled, every 10 s). They grow until the sensor is loaded anew, then begin at 0.
 */
int bpf_stats_of(const struct bpf_stats *s, const struct sensor_run *run, unsigned i, struct program_stats *ret);

/* Ends the helper, and with it the counting. Accepts one that was never opened but zeroed. */
void bpf_stats_close(struct bpf_stats *s);

#endif
