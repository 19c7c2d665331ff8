/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall clock is set while events come: their times follow. In a guest that was booted for
 * this test it is set for real; elsewhere the pipeline is told of another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "pipeline/pipeline.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

static int64_t pretended_ns;

static int64_t pretended_offset(void)
{
	return clock_offset_ns(CLOCK_REALTIME, CLOCK_BOOTTIME) + pretended_ns;
}

/* Whether this machine was booted for this test: its first process is this program. */
static bool is_guest(void)
{
	struct stat init, self;

	return !stat("/proc/1/exe", &init) && !stat("/proc/self/exe", &self) && init.st_ino == self.st_ino &&
	       init.st_dev == self.st_dev;
}

static void step(int64_t by_ns)
{
	uint64_t to = clock_ns(CLOCK_REALTIME) + (uint64_t)by_ns;
	const struct timespec ts = { (time_t)(to / NS_PER_S), (long)(to % NS_PER_S) };

	if (!is_guest())
		pretended_ns += by_ns;
	else
		REQUIRE(!clock_settime(CLOCK_REALTIME, &ts), "clock_settime: %s", strerror(errno));
}

static bool put(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* What the boot clock counts and the monotonic one does not. */
static int64_t slept_ns(void)
{
	return clock_offset_ns(CLOCK_BOOTTIME, CLOCK_MONOTONIC);
}

/*
 * For real, in a guest that has the tier's name as TAPIO_GUEST_SUSPEND in its environment. Once in its life: QEMU's
 * clock chip goes on waking a machine that it has woken once.
 */
static bool is_to_suspend(const struct live *l)
{
	const char *tier = getenv("TAPIO_GUEST_SUSPEND");

	return is_guest() && tier && !strcmp(l->name, tier);
}

static void suspend(void)
{
	int64_t before = slept_ns();

	REQUIRE(put("/sys/class/rtc/rtc0/wakealarm", "+4") && put("/sys/power/state", "mem"), "suspend: %s", strerror(errno));
	CHECK(slept_ns() - before > (int64_t)NS_PER_S, "suspended for %lld ms only",
	      (long long)(slept_ns() - before) / (long long)NS_PER_MS);
}

static uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME) + (uint64_t)pretended_ns;
}

struct told {
	struct event_sink sink;
	pid_t pid;
	uint64_t wall_ns; /* of the end of that process; 0: not told */
};

static int keep(struct event_sink *sink, const struct event_view *view)
{
	struct told *told = (struct told *)sink;

	if (view->desc->type == TAPIO_EV_PROCESS_EXIT && view->ev->tgid == (__u32)told->pid)
		told->wall_ns = view->wall_ns;
	return 0;
}

static void close_told(struct event_sink *sink)
{
	(void)sink;
}

static int leave(void *arg)
{
	(void)arg;
	return 0;
}

static void expect_time(struct live *l, struct pipeline *p, struct told *told, const char *what)
{
	uint64_t from = wall_ns(), slack = 50 * NS_PER_MS, to;
	const struct event_view *view;
	struct ended e;

	live_about(l, what);
	e = child_run(leave, NULL);
	to = wall_ns();
	live_drain(l);
	view = live_one(l, TAPIO_EV_PROCESS_EXIT, e.pid);
	if (!view)
		return;
	told->pid = e.pid;
	told->wall_ns = 0;
	pipeline_clocks(p);
	pipeline_record(p, view->ev, view->ev->size, live_time_ns(l, view));
	CHECK(told->wall_ns + slack >= from && told->wall_ns <= to + slack, "%s: %s: the end is told %lld ns after it began to be waited for, of %lld",
	      l->name, what, (long long)(told->wall_ns - from), (long long)(to - from));
}

static void steps(struct live *l)
{
	const int64_t hour = 3600 * (int64_t)NS_PER_S;
	struct told told = { .sink = { .write = keep, .close = close_told } };
	bool suspends = is_to_suspend(l);
	static struct pipeline p;

	pretended_ns = 0;
	pipeline_init(&p);
	p.read_offset = is_guest() ? NULL : pretended_offset;
	pipeline_add_sink(&p, &told.sink);
	live_start(l);
	expect_time(l, &p, &told, "before");
	step(hour);
	expect_time(l, &p, &told, "an hour forward");
	step(-2 * hour);
	expect_time(l, &p, &told, "two hours back");
	step(hour);
	expect_time(l, &p, &told, "as it was");
	if (suspends) {
		suspend();
		expect_time(l, &p, &told, "after a suspend");
	}
	pipeline_close(&p);
}

TEST(live, clock_step)
{
	live_on_every_tier(steps);
	CHECK(!is_guest() || !getenv("TAPIO_GUEST_SUSPEND") || slept_ns() > (int64_t)NS_PER_S, "no tier of that name was suspended");
}
