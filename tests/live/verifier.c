/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far each program is from the verifier's limits, on each tier: beyond 80% of one is a failure, long before a
 * kernel refuses it. tests/kernels/report reads the lines "program ...".
 *
 * Sources: an object for kernels before 5.2 may have 4,096 instructions a program and the verifier goes through
 * 131,072 of them, whatever this kernel allows (c04c0d2b968a raised both to a million).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/bpflog.h"
#include "collect/collector.h"
#include "collect/feature.h"
#include "tests/live/harness.h"

enum { OLD_SIZE = 4096, OLD_LIMIT = 131072, LIMIT = 1000000, LOG_STATISTICS = 4, LOG_BYTES = 64 << 10 };

static bool statistics; /* whether this kernel is asked for them */

static void ask(struct bpf_program *program)
{
	if (!statistics)
		return;
	bpf_program__set_log_level(program, LOG_STATISTICS);
	REQUIRE(!bpf_program__set_log_buf(program, calloc(1, LOG_BYTES), LOG_BYTES), "log buffer");
}

/* "processed N insns (limit L) max_states_per_insn M total_states T peak_states P mark_read R" */
static void check_program(const struct sensor *sensor, const struct tier *tier, struct bpf_program *program)
{
	const char *log = bpf_program__log_buf(program, &(size_t){ 0 }), *name = bpf_program__name(program);
	unsigned size = (unsigned)bpf_program__insn_cnt(program), processed = 0, states = 0, per_insn = 0;
	/* c04c0d2b968a (5.2) raised it; links to cgroups are of 5.7 */
	unsigned limit = tier->abi && !(tier->needs & NEEDS(CGROUP_SKB)) ? OLD_LIMIT : LIMIT;

	CHECK(!tier->abi || size <= OLD_SIZE / 5 * 4, "%s: %u instructions, of %u at most", name, size, OLD_SIZE);
	if (!statistics)
		return;
	log = log ? strstr(log, "processed ") : NULL;
	if (!log || sscanf(log, "processed %u insns (limit %*u) max_states_per_insn %u total_states %u", &processed,
			   &per_insn, &states) != 3)
		CHECK(false, "%s: no statistics in the verifier's log", name);
	CHECK(processed <= limit / 5 * 4, "%s: the verifier goes through %u instructions, of %u at most", name, processed,
	      limit);
	printf("    program %s %s %s: %u instructions, %u verified, %u states\n", sensor_name(sensor->id), tier->name, name,
	       size, processed, states);
}

/* Whether the tier runs at all is for other tests to say. With all that a machine with cgroup v1 needs, wherever this is. */
static bool check_tier(struct collector *c, const struct sensor *sensor, const struct tier *tier)
{
	struct ladder_options ladder = { .force = tier->name, .events = ~0ull, .prepare = ask,
					 .legacy_subsystem = TAPIO_SUBSYSTEM_PIDS,
					 .core_disabled = feature(FEATURE_RINGBUF)->have ? 0 : CORE_RINGBUF };
	struct sensor_run run;
	struct bpf_program *program;

	if (ladder_climb(sensor, &ladder, &c->transport, &run))
		return false;
	bpf_object__for_each_program(program, run.obj)
		if (bpf_program__fd(program) >= 0)
			check_program(sensor, tier, program);
	sensor_close(&run);
	return true;
}

TEST(live, verifier_limits)
{
	const struct sensor *const *first, *const *end = sensors(&first);
	struct collect_options options = { .transport = transport_defaults };
	struct collector c;
	char why[WHY_MAX];
	unsigned ran = 0;

	bpflog_init();
	live_need("every tier", NEEDS(PROBE_READ));
	REQUIRE(!collector_open(&c, &options, why, sizeof(why)), "%s", why);
	for (const struct sensor *const *s = first; s < end; s++) {
		for (unsigned i = 0; i < ladder_height(*s); i++) {
			statistics = true;
			if (!check_tier(&c, *s, &(*s)->tiers[i])) { /* kernels before 5.2 may refuse to give statistics */
				statistics = false;
				if (check_tier(&c, *s, &(*s)->tiers[i]))
					printf("    skipped: %s: this kernel gives no statistics of its verifier\n",
					       (*s)->tiers[i].name);
				else
					continue;
			}
			ran++;
		}
	}
	CHECK(ran, "no tier runs");
	collector_close(&c);
}
