/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf wrote, as collect/types.h reads it. */
#ifndef TESTS_UNIT_BTF_TYPES_H
#define TESTS_UNIT_BTF_TYPES_H

#include <bpf/btf.h>

#include "collect/types.h"
#include "tests/test.h"

/* With its index; b is still the caller's. */
static inline struct types read_types(struct btf *b)
{
	__u32 size;
	const void *raw = btf__raw_data(b, &size);
	struct types t;
	char why[128] = "";

	REQUIRE(!types_read(raw, size, &t, why, sizeof(why)), "types: %s", why);
	REQUIRE(!types_index(&t), "index: no memory");
	return t;
}

#endif
