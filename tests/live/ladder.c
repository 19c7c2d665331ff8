/* SPDX-License-Identifier: Apache-2.0 */
/* Planted faults: each costs one rung, with the reason, and the next one runs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collect/bpflog.h"
#include "collect/tracefs.h"
#include "tests/live/harness.h"

#define EVENTS EVENT_BIT(TAPIO_EV_PROCESS_EXIT)
#define WORKS                                                                                      \
	{ .name = "works", .object = "faults", .needs = NEEDS(RAW_TP), .programs = { { "fault_none", EVENTS } } }

struct fault {
	const char *name;
	struct tier tiers[3]; /* the faulty one and the one that works */
	int (*started)(const struct sensor_run *run);
	const char *why[2]; /* both are in the reason */
};

static int refuse_to_start(const struct sensor_run *run)
{
	return strcmp(run->tier->name, "faulty") ? 0 : -EXDEV;
}

#define FAULTY(object_, ...) { .name = "faulty", .object = object_, .programs = { __VA_ARGS__ } }
#define PROGRAM(name) FAULTY("faults", { name, EVENTS })

static const struct fault faults[] = {
	{ .name = "refused by the verifier",
	  .tiers = { PROGRAM("fault_rejected"), WORKS },
	  .why = { "program fault_rejected", "invalid mem access" } },
	{ .name = "missing member",
	  .tiers = { PROGRAM("fault_missing_member"), WORKS },
	  .why = { "fault_missing_member", "member_that_no_kernel_has" } },
	{ .name = "missing raw tracepoint",
	  .tiers = { PROGRAM("fault_no_raw_tracepoint"), WORKS },
	  .why = { "attaching fault_no_raw_tracepoint", "No such file" } },
	{ .name = "missing tracepoint",
	  .tiers = { PROGRAM("fault_no_tracepoint"), WORKS },
	  .why = { "tracepoint sched/tracepoint_that_no_kernel_has", "No such file" } },
	{ .name = "missing typed tracepoint",
	  .tiers = { PROGRAM("fault_no_tp_btf"), WORKS },
	  .why = { "fault_no_tp_btf", "tracepoint_that_no_kernel_has" } },
	{ .name = "missing program",
	  .tiers = { PROGRAM("fault_of_nobody"), WORKS },
	  .why = { "object faults has no program fault_of_nobody", "" } },
	{ .name = "missing object",
	  .tiers = { FAULTY("object_of_nobody", { "fault_none", EVENTS }), WORKS },
	  .why = { "object object_of_nobody is not in this binary", "" } },
	{ .name = "one of two programs",
	  .tiers = { FAULTY("faults", { "fault_none", EVENTS }, { "fault_no_raw_tracepoint", EVENTS }), WORKS },
	  .why = { "attaching fault_no_raw_tracepoint", "No such file" } },
	{ .name = "does not start",
	  .tiers = { PROGRAM("fault_none"), WORKS },
	  .started = refuse_to_start,
	  .why = { "starting", "cross-device" } },
};

static void open_transport(struct transport *t)
{
	int err = transport_open(t, &transport_defaults);

	REQUIRE(!err, "transport: %s", strerror(-err));
}

static bool is_linked(const struct sensor_run *run)
{
	return run->nlinks && run->links[0];
}

static void climb(const struct fault *f)
{
	const struct sensor sensor = { .id = TAPIO_SENSOR_PROCESS, .tiers = f->tiers, .started = f->started };
	struct ladder_options options = { .events = EVENTS };
	static struct transport t;
	static struct sensor_run run;
	unsigned fds = live_count_fds();
	int err;

	open_transport(&t);
	err = ladder_climb(&sensor, &options, &t, &run);
	CHECK(!err && run.tier == &f->tiers[1] && is_linked(&run), "%s: the next rung does not run: %s, %s", f->name,
	      strerror(-err), run.results[1].why);
	CHECK(run.results[0].state == TIER_FAILED && run.results[1].state == TIER_RUNS, "%s: states %d and %d",
	      f->name, run.results[0].state, run.results[1].state);
	CHECK(strstr(run.results[0].why, f->why[0]) && strcasestr(run.results[0].why, f->why[1]),
	      "%s: the reason is \"%s\", without \"%s\" or \"%s\"", f->name, run.results[0].why, f->why[0], f->why[1]);
	CHECK(!run.results[1].why[0], "%s: a reason for what runs: %s", f->name, run.results[1].why);
	sensor_close(&run);
	transport_close(&t);
	CHECK(live_count_fds() == fds, "%s: %u descriptors before, %u after", f->name, fds, live_count_fds());
}

TEST(live, ladder_faults)
{
	bpflog_init();
	live_need("core objects", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(RINGBUF) | NEEDS(PROBE_READ));
	tracefs_dir(); /* kept open until the process ends, by contract */
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		climb(&faults[i]);
}

/* A feature that was probed away is asked for before anything is loaded. */
TEST(live, ladder_features)
{
	static const struct tier tiers[] = {
		{ .name = "first", .object = "object_of_nobody", .needs = NEEDS(CGROUP_ID), .programs = { { 0 } } },
		{ .name = "second", .object = "object_of_nobody", .needs = NEEDS(RAW_TP), .programs = { { 0 } } },
		{ 0 },
	};
	static const struct sensor sensor = { .id = TAPIO_SENSOR_PROCESS, .tiers = tiers };
	struct ladder_options options = { .events = EVENTS };
	static struct transport t;
	static struct sensor_run run;

	live_need("core objects", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(RINGBUF) | NEEDS(PROBE_READ));
	feature_deny(FEATURE_CGROUP_ID, "taken away by the test");
	open_transport(&t);
	CHECK(ladder_climb(&sensor, &options, &t, &run) == -ENOENT && !run.tier, "it runs though nothing can");
	CHECK(!strcmp(run.results[0].why, "needs cgroup_id: taken away by the test"), "why: %s", run.results[0].why);
	CHECK(strstr(run.results[1].why, "is not in this binary"), "why: %s", run.results[1].why);
	sensor_close(&run);

	options.force = "of nobody";
	CHECK(ladder_climb(&sensor, &options, &t, &run) == -EINVAL && !run.tier, "a tier that is unknown was forced");
	sensor_close(&run);
	options.force = "second";
	CHECK(ladder_climb(&sensor, &options, &t, &run) == -ENOENT, "it runs though nothing can");
	CHECK(run.results[0].state == TIER_NOT_TRIED && run.results[1].state == TIER_FAILED, "states %d and %d",
	      run.results[0].state, run.results[1].state);
	sensor_close(&run);
	transport_close(&t);
}

/* A tracepoint field that this kernel lacks: fatal if it must be there, 0 if it may be missing. */
TEST(live, ladder_layout)
{
	static const struct tier tiers[] = {
		{ .name = "abi", .object = "process_abi", .abi = true, .needs = NEEDS(TRACEPOINT),
		  .programs = { { "process_exit_abi", EVENTS } } },
		{ 0 },
	};
	struct layout_field layout[] = { { "sched/sched_process_exit", "field_of_nobody", 0, false }, { 0 } };
	const struct sensor sensor = { .id = TAPIO_SENSOR_PROCESS, .tiers = tiers, .layout = layout };
	struct ladder_options options = { .events = EVENTS };
	static struct transport t;
	static struct sensor_run run;

	bpflog_init();
	if (!feature(FEATURE_TRACEPOINT)->have)
		SKIP("needs tracepoint: %s", feature(FEATURE_TRACEPOINT)->why);
	open_transport(&t);
	CHECK(ladder_climb(&sensor, &options, &t, &run) == -ENOENT, "it runs without a field that it needs");
	CHECK(strstr(run.results[0].why, "sched/sched_process_exit: field field_of_nobody"), "why: %s",
	      run.results[0].why);
	sensor_close(&run);
	layout[0].presence = LAYOUT_OPTIONAL;
	CHECK(!ladder_climb(&sensor, &options, &t, &run) && run.tier, "it does not run without an optional field: %s",
	      run.results[0].why);
	sensor_close(&run);
	layout[0] = (struct layout_field){ "sched/tracepoint_of_nobody", "field", 0, false };
	CHECK(ladder_climb(&sensor, &options, &t, &run) == -ENOENT, "it runs without a tracepoint that it needs");
	CHECK(strstr(run.results[0].why, "sched/tracepoint_of_nobody"), "why: %s", run.results[0].why);
	sensor_close(&run);
	transport_close(&t);
}
