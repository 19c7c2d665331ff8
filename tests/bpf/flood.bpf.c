/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The producer of tests/bench/ring_bench.c: as many records as its first argument says, one after
 * the other, the way every sensor sends them.
 *
 * It is run by BPF_PROG_TEST_RUN. The loader attaches what it loads, so it stands on the one raw
 * tracepoint that belongs to test runs (of other program types, 5.0); that one passes a pointer,
 * which is more than FLOOD_MAX.
 * A real sensor asks event_wanted first and reads fields of the task; neither is part of this.
 */
#include "vmlinux_minimal.h"
#include "emit.h"

INIT_CORE_COMPAT();

#define FLOOD_MAX 64

#define FLOOD_BYTES 128 /* of a record, for figure 10 */
_Static_assert(sizeof(struct tapio_process_fork) <= FLOOD_BYTES, "a record and some bytes of tail");

static __always_inline void flood_one(void *ctx)
{
	struct tapio_process_fork *rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_FORK,
						      TAPIO_RING_CONTROL, sizeof(*rec));

	if (rec)
		record_send(ctx, rec, TAPIO_RING_CONTROL, FLOOD_BYTES);
}

SEC("raw_tp/bpf_test_finish")
int flood(u64 *ctx) /* number of records */
{
	u64 records = ctx[0];

	if (records > FLOOD_MAX)
		return 0;
	for (u32 i = 0; i < FLOOD_MAX && i < records; i++)
		flood_one(ctx);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
