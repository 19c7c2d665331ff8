/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Record building inside record building, on the same CPU, every time.
 *
 * nest_outer runs when the test renames itself, begins a record and fills it in; then it calls
 * bpf_trace_printk, a helper that passes a tracepoint itself, and there nest_inner runs: it builds
 * and sends a record of its own in the middle of the other. Afterwards the outer one looks whether
 * its record is still what it wrote. Beside the record it does the same with a bare per-CPU buffer,
 * which shows that what emit.h guards against does happen.
 */
#include "vmlinux_minimal.h"
#include "emit.h"

INIT_CORE_COMPAT();

#define OUTER 1 /* told apart by process.exec.errno */
#define INNER 2
#define WORDS 64
#define OUTER_WORD 0x6f6f6f6f6f6f6f6fULL /* "oooooooo" */
#define INNER_WORD 0x6969696969696969ULL /* "iiiiiiii" */

/* Also in tests/live/nest.c. */
struct nest_counts {
	u64 outer, inner;
	u64 nested;         /* inner runs in the middle of an outer one on this CPU */
	u64 clobbered;      /* outer records that were not theirs any more */
	u64 bare_clobbered; /* the same of the bare buffer */
	u32 tgid;           /* whose renames count, written by the test */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct nest_counts);
} nest_results SEC(".maps");

struct nest_cpu {
	u64 inside;
	u64 bare;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct nest_cpu);
} nest_cpus SEC(".maps");

static __always_inline struct nest_counts *results(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&nest_results, &zero);
}

static __always_inline struct nest_cpu *this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&nest_cpus, &zero);
}

static __always_inline struct tapio_process_exec_failed *begin(s32 who, u64 word)
{
	struct tapio_process_exec_failed *rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXEC_FAILED,
							     TAPIO_RING_CONTROL, sizeof(*rec));
	volatile u64 *tail;

	if (!rec)
		return NULL;
	tail = (void *)(rec + 1);
	rec->error.value = who;
	rec->filename.offset = sizeof(*rec);
	rec->filename.length = WORDS * sizeof(u64);
#pragma clang loop unroll(full)
	for (u32 i = 0; i < WORDS; i++)
		tail[i] = word;
	return rec;
}

static __always_inline bool is_whole(struct tapio_process_exec_failed *rec, s32 who, u64 word)
{
	volatile u64 *tail = (void *)(rec + 1);
	u64 differs = rec->error.value != who;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < WORDS; i++)
		differs |= tail[i] ^ word;
	return !differs;
}

SEC("raw_tp/task_rename")
int nest_outer(u64 *ctx)
{
	struct nest_counts *r = results();
	struct tapio_process_exec_failed *rec;
	struct nest_cpu *cpu = this_cpu();
	static const char text[] = "tapio";

	if (!r || !cpu || bpf_get_current_pid_tgid() >> 32 != r->tgid)
		return 0;
	rec = begin(OUTER, OUTER_WORD);
	if (!rec)
		return 0;
	__sync_fetch_and_add(&r->outer, 1);
	cpu->bare = OUTER_WORD;
	cpu->inside = 1;
	bpf_trace_printk(text, sizeof(text));
	cpu->inside = 0;
	if (*(volatile u64 *)&cpu->bare != OUTER_WORD)
		__sync_fetch_and_add(&r->bare_clobbered, 1);
	if (!is_whole(rec, OUTER, OUTER_WORD))
		__sync_fetch_and_add(&r->clobbered, 1);
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec) + WORDS * sizeof(u64));
}

SEC("raw_tp/bpf_trace_printk")
int nest_inner(u64 *ctx)
{
	struct nest_counts *r = results();
	struct tapio_process_exec_failed *rec;
	struct nest_cpu *cpu = this_cpu();

	if (!r || !cpu || bpf_get_current_pid_tgid() >> 32 != r->tgid)
		return 0;
	rec = begin(INNER, INNER_WORD);
	if (!rec)
		return 0;
	__sync_fetch_and_add(&r->inner, 1);
	if (cpu->inside)
		__sync_fetch_and_add(&r->nested, 1);
	cpu->bare = INNER_WORD;
	return record_send(ctx, rec, TAPIO_RING_CONTROL, sizeof(*rec) + WORDS * sizeof(u64));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
