/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live tests: a collector in this process, a stimulus, and what must have come of it.
 *
 *	static void body(struct live *l)
 *	{
 *		live_start(l);
 *		pid = ...;
 *		live_drain(l);
 *		view = live_one(l, TAPIO_EV_PROCESS_EXIT, pid);
 *		expect_number(l, view, "process.exit.code", 3);
 *	}
 *
 *	TEST(live, exit_codes)
 *	{
 *		live_on_every_tier(body);
 *	}
 *
 * The body runs in a process of its own for each tier, several at once: what they do to the machine
 * must not meet. A tier that this kernel was probed to lack
 * is skipped by name; one that was not and does not run is a failure. What a tier declares that it
 * does not give is not compared. The end of each session checks that nothing was lost, that numbers
 * are dense, that no scratch slot stayed claimed and that no descriptor leaked.
 */
#ifndef TESTS_LIVE_HARNESS_H
#define TESTS_LIVE_HARNESS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/collector.h"
#include "event/view.h"
#include "tests/test.h"

struct live {
	char name[96];           /* for messages: the tier, "tp_btf --no-ringbuf", and the case: live_about */
	size_t name_length;      /* of the tier's part */
	const struct sensor *sensor; /* the one that is tested */
	const struct tier *tier;
	const char *dir;         /* files of this process alone, removed at the test's end */
	const char *program;     /* in there: a copy of this binary, see stimulus.h */
	struct collect_options options; /* all its events, our own too; a body may change it before live_start */
	bool lossy;              /* records are meant to be lost: the session's end does not complain */
	bool skips;              /* the kernel may skip programs, as long as it counts that: live_skipped */
	bool running;
	struct collector collector;
	struct event_absent absent[TAPIO_EV_MAX];
	struct event_view *views; /* every record, in the order of reading */
	uint64_t *times_ns;       /* when, on the boot clock */
	size_t nviews, capacity, first; /* of the case that is tried now */
	unsigned fds;
	uint64_t cgroup_id;       /* ours, 0: no cgroup v2 here */
	uint64_t legacy_cgroup_id; /* ours in the v1 hierarchy that is followed; from live_start on */
};

typedef void live_body(struct live *l);

/*
 * For each tier of the process sensor; and the best core tier through perf buffers as well, and as
 * kernels before 5.8 would run it.
 */
void live_on_every_tier(live_body *body);

/* The same for each tier of another sensor: an enum tapio_sensor. */
void live_on_every_tier_of(unsigned sensor, live_body *body);

/* Once for each way that records travel: ring buffer, perf buffer of core and of abi objects. */
void live_on_every_transport(live_body *body);

/* Begins a case: names it in messages, and earlier records are looked at no more. */
void live_about(struct live *l, const char *what);

void live_start(struct live *l);
/* Takes all that is there. What happened before the call is seen. */
void live_drain(struct live *l);
/* Also called at the end of a body. */
void live_stop(struct live *l);

/* Whether this tier gives the event, or the field, at all. */
bool live_gives_event(const struct live *l, unsigned type);

/* Runs of its programs that the kernel has skipped, and counted. */
uint64_t live_skipped(const struct live *l);

unsigned live_count(const struct live *l, unsigned type, pid_t pid);
/* Processes that were reported as forked by this one. */
unsigned live_count_children(const struct live *l, pid_t parent);
/* The n-th record of that type about a process, from 0; NULL if there are fewer. Valid until the next drain. */
const struct event_view *live_find(const struct live *l, unsigned type, pid_t pid, unsigned nth);
/* The only one. Otherwise a failure and NULL; NULL alone if the tier does not give the event. */
const struct event_view *live_one(const struct live *l, unsigned type, pid_t pid);

/*
 * What a field must be. `view` may be NULL: that failed before. Nothing is compared that the tier
 * declares it lacks; what it declares derived is compared all the same, unless live_derives.
 */
void expect_number(const struct live *l, const struct event_view *view, const char *name, int64_t want);
void expect_between(const struct live *l, const struct event_view *view, const char *name, int64_t low,
		    int64_t high);
/* An instant against a time in clock ticks since boot, as /proc/PID/stat has it. */
void expect_ticks(const struct live *l, const struct event_view *view, const char *name, uint64_t ticks);
void expect_bytes(const struct live *l, const struct event_view *view, const char *name, const void *want,
		  size_t n);
void expect_text(const struct live *l, const struct event_view *view, const char *name, const char *want);
void expect_path(const struct live *l, const struct event_view *view, const char *name, const char *want);
/* No value: unknown, none or left out. */
void expect_none(const struct live *l, const struct event_view *view, const char *name);

enum giving live_giving(const struct live *l, const struct event_view *view, const char *name);
const struct event_field *live_field(const struct event_view *view, const char *name, unsigned *ret_index);
/* Whether the record has a value for it. */
bool live_has(const struct event_view *view, const char *name);

/* When a kept record happened, on the boot clock. */
uint64_t live_time_ns(const struct live *l, const struct event_view *view);

/* Skips the test by name, with the reason, where one of these was probed to be absent: NEEDS(BTF) | … */
void live_need(const char *who, uint32_t features);

/* Whether this tier loads and attaches when it is forced, with all its events; else why not. */
bool live_tier_runs(const struct sensor *sensor, const struct tier *tier, char *why, size_t size);

/* Open descriptors of this process. */
unsigned live_count_fds(void);

/* Emulated guests are slow: time limits that say "soon" are multiplied by this. */
unsigned live_patience(void);

#endif
