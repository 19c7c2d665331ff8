/* SPDX-License-Identifier: Apache-2.0 */
/* Times of events when the wall clock is stepped, drifts, or the machine slept. */
#include "pipeline/pipeline.h"
#include "tests/record.h"
#include "tests/test.h"

#define HOUR_NS 3600000000000ll
#define BOOT_NS 5000000000000ull

static int64_t offset;

static int64_t read_offset(void)
{
	return offset;
}

struct last {
	struct event_sink sink;
	uint64_t wall_ns;
	int64_t boot_to_wall_ns;
};

static int keep(struct event_sink *sink, const struct event_view *view)
{
	struct last *last = (struct last *)sink;

	last->wall_ns = view->wall_ns;
	last->boot_to_wall_ns = view->boot_to_wall_ns;
	return 0;
}

static int flush(struct event_sink *sink)
{
	(void)sink;
	return 0;
}

static void close_last(struct event_sink *sink)
{
	(void)sink;
}

static struct last last = { .sink = { .write = keep, .flush = flush, .close = close_last } };
static struct pipeline p;

static void begin(void)
{
	pipeline_init(&p);
	p.read_offset = read_offset;
	offset = TEST_BOOT_TO_WALL_NS;
	pipeline_clocks(&p);
	pipeline_add_sink(&p, &last.sink);
}

/* The wall time that an event of this boot time gets, and that its creation time is told with. */
static uint64_t told_ns(uint64_t boot_ns)
{
	static union record r;

	record_begin(&r, TAPIO_EV_PROCESS_EXIT);
	r.ev.sensor = TAPIO_SENSOR_PROCESS;
	r.ev.ts_ns = boot_ns;
	pipeline_clocks(&p);
	REQUIRE(!pipeline_record(&p, &r, r.ev.size, boot_ns), "a record is refused");
	CHECK(last.wall_ns == boot_ns + (uint64_t)last.boot_to_wall_ns, "two offsets in one event");
	return last.wall_ns;
}

TEST(unit, pipeline_clock_steps)
{
	begin();
	CHECK(told_ns(BOOT_NS) == BOOT_NS + (uint64_t)TEST_BOOT_TO_WALL_NS, "before");
	offset = TEST_BOOT_TO_WALL_NS + HOUR_NS;
	CHECK(told_ns(BOOT_NS + 1) == BOOT_NS + 1 + (uint64_t)(TEST_BOOT_TO_WALL_NS + HOUR_NS), "an hour forward");
	offset = TEST_BOOT_TO_WALL_NS - HOUR_NS;
	CHECK(told_ns(BOOT_NS + 2) == BOOT_NS + 2 + (uint64_t)(TEST_BOOT_TO_WALL_NS - HOUR_NS), "an hour back");
	offset = TEST_BOOT_TO_WALL_NS;
	CHECK(told_ns(BOOT_NS + 3) == BOOT_NS + 3 + (uint64_t)TEST_BOOT_TO_WALL_NS, "and as it was");
	/* A clock that was never set: 1970. */
	offset = -(int64_t)BOOT_NS;
	CHECK(told_ns(BOOT_NS + 4) == 4, "1970: %llu", (unsigned long long)last.wall_ns);
	pipeline_close(&p);
}

/* A creation time must come out the same in each event of a process: noise is not followed, drift is. */
TEST(unit, pipeline_clock_drifts)
{
	uint64_t before;

	begin();
	before = told_ns(BOOT_NS);
	for (unsigned i = 0; i < 1000; i++) {
		offset = TEST_BOOT_TO_WALL_NS + (int64_t)(i % 7) * 1000 - 3000;
		CHECK(told_ns(BOOT_NS) == before, "noise of %lld ns was followed", (long long)(offset - TEST_BOOT_TO_WALL_NS));
	}
	for (unsigned us = 0; us <= 5000; us += 100) {
		int64_t off;

		offset = TEST_BOOT_TO_WALL_NS + (int64_t)us * 1000;
		off = (int64_t)(told_ns(BOOT_NS) - BOOT_NS) - offset;
		CHECK(off > -1000000 && off < 1000000, "after %u us the time is off by %lld ns", us, (long long)off);
	}
	pipeline_close(&p);
}

/* The boot clock goes on while the machine sleeps, as the wall clock does: nothing is to be followed. */
TEST(unit, pipeline_clock_suspend)
{
	uint64_t before;

	begin();
	before = told_ns(BOOT_NS);
	CHECK(told_ns(BOOT_NS + 8 * HOUR_NS) == before + 8 * HOUR_NS, "eight hours of sleep");
	pipeline_close(&p);
}
