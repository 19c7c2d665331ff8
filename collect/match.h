/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a type of an object and one of a kernel are the same to CO-RE. Inside of collect/relocate.c. */
#ifndef COLLECT_MATCH_H
#define COLLECT_MATCH_H

#include "collect/types.h"

/* Both sides of a comparison, and what it may still cost. */
struct match {
	const struct types *local, *target;
	uint32_t *budget;
};

/* Takes one from the budget; false when it is used up. */
static inline bool match_may_go_on(const struct match *m)
{
	return *m->budget && (*m->budget)--;
}

/* Kinds are equal; enums of 32 and 64 bits count as equal. */
bool kinds_agree(const struct btf_type *a, const struct btf_type *b);

/* All three: 1 they agree, 0 they do not, negative errno: nested too deeply, or the budget is used up. */

/* Of a field: what a program that expects the one can read of the other. */
int match_fields(const struct match *m, uint32_t local, uint32_t target);
/* Of a type's existence and size: kinds, not members. */
int match_types(const struct match *m, uint32_t local, uint32_t target);
/* Of bpf_core_type_matches: members, parameters and sizes too. */
int match_exactly(const struct match *m, uint32_t local, uint32_t target);

#endif
