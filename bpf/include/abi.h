/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fields of classic tracepoint records, for `abi` objects: their offsets come from a map, because they
 * differ between kernels, and are bounded for the verifier's sake.
 */
#ifndef TAPIO_ABI_H
#define TAPIO_ABI_H

#include "bounded.h"
#include <bpf/bpf_helpers.h>

static __always_inline const void *field_at(void *ctx, u16 offset)
{
	return ctx + BOUNDED(offset, 0xfff);
}

static __always_inline u32 field_u32(void *ctx, u16 offset)
{
	u32 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), field_at(ctx, offset));
	return value;
}

static __always_inline u64 field_u64(void *ctx, u16 offset)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), field_at(ctx, offset));
	return value;
}

#endif
