/* SPDX-License-Identifier: Apache-2.0 */
/* What types tell of a kernel, where no kernel of the kind is at hand. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/forecast.h"
#include "tests/test.h"
#include "tests/unit/btf_types.h"

/* `lock`: what the ring buffer is locked with. */
static struct types with_ringbuf(bool rt, const char *lock, bool helper)
{
	struct btf *b = btf__new_empty();
	struct types t;
	int mutex = btf__add_struct(b, "rt_mutex_base", 8), type;

	btf__add_struct(b, "spinlock", 8);
	btf__add_field(b, rt ? "lock" : NULL, mutex, 0, 0);
	type = btf__add_typedef(b, lock, 2);
	btf__add_struct(b, "bpf_ringbuf", 64);
	btf__add_field(b, "spinlock", type, 128, 0);
	btf__add_enum(b, "bpf_func_id", 4);
	btf__add_enum_value(b, helper ? "BPF_FUNC_ringbuf_output" : "BPF_FUNC_x", helper ? 130 : 1);
	t = read_types(b);
	btf__free(b);
	return t;
}

TEST(unit, forecast_ringbuf)
{
	static const struct {
		bool rt, helper, works;
		const char *lock;
	} kernels[] = {
		{ false, true, true, "spinlock_t" },	{ true, true, false, "spinlock_t" },
		{ true, true, true, "raw_spinlock_t" }, { true, true, true, "rqspinlock_t" },
		{ false, false, false, "spinlock_t" },
	};

	for (size_t i = 0; i < COUNT_OF(kernels); i++) {
		struct types t = with_ringbuf(kernels[i].rt, kernels[i].lock, kernels[i].helper);
		struct tier_forecast f = {};

		foretell_ringbuf(&t, &f);
		CHECK((f.foretold == FORETOLD_RUNS) == kernels[i].works, "kernel %zu: %d '%s'", i, f.foretold, f.why);
		types_free(&t);
	}
}

/* A kernel with some tracepoints, program types and helpers. */
static struct types some_kernel(bool since_5_5)
{
	struct btf *b = btf__new_empty();
	struct types t;

	btf__add_enum(b, "bpf_prog_type", 4);
	btf__add_enum_value(b, "BPF_PROG_TYPE_TRACEPOINT", 5);
	btf__add_enum_value(b, "BPF_PROG_TYPE_RAW_TRACEPOINT", 17);
	if (since_5_5)
		btf__add_enum_value(b, "BPF_PROG_TYPE_TRACING", 26);
	btf__add_enum(b, "bpf_attach_type", 4);
	btf__add_enum_value(b, "BPF_CGROUP_INET_INGRESS", 0);
	btf__add_enum_value(b, "BPF_TRACE_RAW_TP", 23);
	btf__add_enum(b, "bpf_func_id", 4);
	btf__add_enum_value(b, "BPF_FUNC_map_lookup_elem", 1);
	if (since_5_5)
		btf__add_typedef(b, "btf_trace_sched_switch", 0);
	if (since_5_5)
		btf__add_struct(b, "syscall_trace_enter", 16);
	t = read_types(b);
	btf__free(b);
	return t;
}

static void check_program(const struct types *t, const char *section, int helper, enum foretold expected, const char *why)
{
	const struct bpf_insn insns[] = { { .code = BPF_JMP | BPF_CALL, .imm = helper }, { .code = BPF_JMP | BPF_EXIT } };
	const struct program p = { .name = "p", .section = section, .insns = insns, .count = 2 };
	const bool reached[] = { true, true }, not_reached[] = { false, false };
	struct tier_forecast f = {}, unreached = {};

	foretell_program(t, &p, insns, reached, &f);
	CHECK(f.foretold == expected && (!why || strstr(f.why, why)), "%s, helper %d: %d '%s'", section, helper, f.foretold,
	      f.why);
	foretell_program(t, &p, insns, not_reached, &unreached);
	CHECK(!strstr(unreached.why, "helper"), "%s: a call that is not reached: '%s'", section, unreached.why);
}

TEST(unit, forecast_programs)
{
	struct types t = some_kernel(true), old = some_kernel(false);

	check_program(&t, "tp_btf/sched_switch", 1, FORETOLD_RUNS, NULL);
	check_program(&t, "tp_btf/sched_nothing", 1, FORETOLD_FAILS, "tracepoint sched_nothing");
	check_program(&t, "raw_tp/sched_nothing", 1, FORETOLD_FAILS, "tracepoint sched_nothing");
	check_program(&t, "tp/sched/sched_switch", 1, FORETOLD_RUNS, NULL);
	check_program(&t, "tp/syscalls/sys_enter_execve", 1, FORETOLD_RUNS, NULL);
	check_program(&t, "raw_tp/sched_switch", 175, FORETOLD_FAILS, "helper bpf_task_pt_regs");
	check_program(&t, "raw_tp/sched_switch", 113, FORETOLD_RUNS, NULL); /* replaced by libbpf */
	check_program(&t, "kprobe/do_exit", 1, FORETOLD_FAILS, "no programs of that type");
	check_program(&old, "tp_btf/sched_switch", 1, FORETOLD_FAILS, "no programs of that type");
	check_program(&old, "raw_tp/sched_switch", 1, FORETOLD_OPEN, "BTF before 5.5");
	check_program(&old, "tp/syscalls/sys_enter_execve", 1, FORETOLD_FAILS, "tracepoints of system calls");
	types_free(&t);
	types_free(&old);
}

/* A kernel that has nothing of what our programs read: each core tier says what it lacks. */
TEST(unit, forecast_says_what_is_lacking)
{
	const struct forecast_options options = { .events = ~0ull };
	struct forecast *f = calloc(1, sizeof(*f));
	struct btf_source s = { .types = some_kernel(true) };
	unsigned core = 0;

	REQUIRE(f && !forecast(&s, &options, f), "forecast");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		for (unsigned k = 0; f->sensors[i].sensor && k < ladder_height(f->sensors[i].sensor); k++) {
			const struct tier_forecast *tier = &f->sensors[i].tiers[k];

			if (f->sensors[i].sensor->tiers[k].abi) {
				CHECK(tier->foretold == FORETOLD_OPEN, "abi: %d '%s'", tier->foretold, tier->why);
				continue;
			}
			CHECK(tier->foretold == FORETOLD_FAILS && tier->lacks && strstr(tier->why, "which this kernel has not"),
			      "sensor %u: %d '%s'", i, tier->foretold, tier->why);
			core++;
		}
	CHECK(core, "no core tier");
	CHECK(!strcmp(f->level, "fallback"), "level %s", f->level);
	types_free(&s.types);
	free(f);
}
