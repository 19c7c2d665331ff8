/* SPDX-License-Identifier: Apache-2.0 */
/* When the reader is woken: at once by a lone event, never without one, seldom in a storm. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

enum { IDLE_MS = 2000, SOON_MS = 100, PATIENT_MS = 3000, WAKES = 4, STORM = 4000, STORM_BYTES = 512 << 10 };

static int end_at_gate(void *arg)
{
	gate_wait(arg);
	return 0;
}

static int storm_at_gate(void *arg)
{
	char *argv[] = { "argument", NULL };
	cpu_set_t cpu;

	gate_wait(arg);
	/* Perf buffers are the CPU's. */
	CPU_ZERO(&cpu);
	CPU_SET((size_t)sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	for (int i = 0; i < STORM; i++)
		execve("/no/such/program", argv, stimulus_quiet);
	return 0;
}

/* Only what these children do is of interest, so only that may wake the reader. */
static pid_t only_child(struct live *l, int (*fn)(void *), struct gate *g)
{
	char text[16], why[256];
	pid_t pid;

	*g = gate_make();
	pid = child_start(fn, g);
	snprintf(text, sizeof(text), "%d", pid);
	REQUIRE(!filter_add(&l->options.filter, TAPIO_FILTER_PID, text, why, sizeof(why)), "%s", why);
	return pid;
}

static int outer = -1;

/*
 * As a command's loop does it: one epoll for all, made once. Made anew it would ask a perf event
 * whether it is ready, and that takes the answer away from who asks next.
 */
static void watch(struct live *l)
{
	struct epoll_event ev = { .events = EPOLLIN };

	outer = epoll_create1(EPOLL_CLOEXEC);
	REQUIRE(outer >= 0 && !epoll_ctl(outer, EPOLL_CTL_ADD, l->collector.transport.epoll_fd, &ev), "epoll: %s",
		strerror(errno));
}

/* Whether the descriptor becomes readable within `ms`. */
static bool wait_readable(int ms)
{
	struct epoll_event ev;
	int n;

	do
		n = epoll_wait(outer, &ev, 1, ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Polls until the reader says that there is nothing to poll for. */
static void fall_asleep(struct live *l)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + 10 * NS_PER_S;
	int ms;

	while ((ms = reader_timeout(&l->collector.reader)) >= 0) {
		REQUIRE(clock_ns(CLOCK_MONOTONIC) < deadline, "%s: the reader does not fall asleep", l->name);
		CHECK(ms > 0 && ms <= READER_QUIET_MS, "%s: it polls every %d ms", l->name, ms);
		if (wait_readable(ms))
			reader_woken(&l->collector.reader);
		live_drain(l);
	}
	CHECK(l->collector.reader.asleep, "%s: it blocks and is not asleep", l->name);
}

/* Lets one process end while the reader sleeps. Returns after how long it was woken. */
static uint64_t wake_once(struct live *l, struct gate *g, pid_t pid)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC), took;

	gate_open(g);
	CHECK(wait_readable(PATIENT_MS * (int)live_patience()), "%s: not woken", l->name);
	took = clock_ns(CLOCK_MONOTONIC) - start;
	reader_woken(&l->collector.reader);
	live_drain(l);
	child_end(pid);
	live_drain(l);
	live_one(l, TAPIO_EV_PROCESS_EXIT, pid);
	return took;
}

static void sleep_and_wake(struct live *l)
{
	uint64_t soon = SOON_MS * NS_PER_MS * live_patience(), best = UINT64_MAX;
	struct rusage before, after;
	struct gate gates[WAKES];
	pid_t pids[WAKES];

	for (int i = 0; i < WAKES; i++)
		pids[i] = only_child(l, end_at_gate, &gates[i]);
	live_start(l);
	watch(l);
	fall_asleep(l);
	getrusage(RUSAGE_SELF, &before);
	CHECK(!wait_readable(IDLE_MS), "%s: woken without an event", l->name);
	getrusage(RUSAGE_SELF, &after);
	CHECK(after.ru_nvcsw - before.ru_nvcsw <= 3, "%s: %ld times on the CPU while asleep", l->name,
	      after.ru_nvcsw - before.ru_nvcsw);

	/* Each wakes it; a busy machine may be slow to let anybody run, but not each time. */
	for (int i = 0; i < WAKES; i++) {
		uint64_t took;

		live_about(l, i ? "again" : "first");
		fall_asleep(l);
		took = wake_once(l, &gates[i], pids[i]);
		if (took < best)
			best = took;
	}
	CHECK(best < soon, "%s: woken after %llu ns at best", l->name, (unsigned long long)best);
	close(outer);
}

TEST(live, wakeup)
{
	live_on_every_transport(sleep_and_wake);
}

/*
 * A storm of less than a buffer and more than its watermark. It wakes the reader when it begins;
 * nothing is taken then, so that it wakes it again at the watermark; and not per record.
 */
static void few_wakeups(struct live *l)
{
	unsigned wakeups = 0;
	struct gate g;
	pid_t pid;

	if (!live_gives_event(l, TAPIO_EV_PROCESS_EXEC_FAILED))
		SKIP("%s: does not give failed execs", l->name);
	pid = only_child(l, storm_at_gate, &g);
	l->options.transport.ring_bytes[TAPIO_RING_CONTROL] = 2 * STORM_BYTES;
	if (l->tier->abi || !feature(FEATURE_RINGBUF)->have)
		l->options.transport.ring_bytes[TAPIO_RING_CONTROL] = cpus_possible() * STORM_BYTES;
	live_start(l);
	watch(l);
	fall_asleep(l);
	gate_open(&g);
	while (wait_readable(200 * (int)live_patience())) {
		reader_woken(&l->collector.reader);
		if (++wakeups > 1)
			live_drain(l);
	}
	child_end(pid);
	close(outer);
	/* Two, unless a busy machine let us run only after the storm: then one stands for both. */
	CHECK(wakeups >= 1 && wakeups <= STORM / 50, "%s: %u wake-ups for %d records", l->name, wakeups, STORM);
	live_drain(l);
	CHECK(live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, pid) == STORM, "%s: %u of %d records", l->name,
	      live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, pid), STORM);
}

TEST(live, wakeups_in_a_storm)
{
	live_on_every_transport(few_wakeups);
}
