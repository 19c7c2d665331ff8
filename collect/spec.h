/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a relocation asks for ("0:5:1": element 0, member 5 of that, member 1 of that), said in names, and
 * where a kernel's type has it. Inside of collect/relocate.c.
 */
#ifndef COLLECT_SPEC_H
#define COLLECT_SPEC_H

#include <linux/bpf.h>

#include "collect/match.h"
#include "collect/relocate.h"

struct spec_step {
	uint32_t type;    /* where it is: a struct or union; an array's element; an enum */
	uint32_t index;
	const char *name; /* of a member or enumerator; NULL: an element */
};

struct spec {
	uint32_t type;
	unsigned count;
	struct spec_step steps[PATH_MAX_STEPS];
	uint32_t bit_offset;
	struct relo_path path; /* with the nameless members that the names are in */
};

bool relo_is_field(unsigned kind);
bool relo_is_type(unsigned kind);
bool relo_is_enum(unsigned kind);

/* What is asked for, of the object's own types. 0 or a negative errno. */
int spec_parse(const struct types *types, const struct bpf_core_relo *relo, struct spec *ret);

/* The same in a candidate. 1 if it is there, 0 if not, negative errno. */
int spec_match(const struct match *m, const struct spec *local, unsigned kind, uint32_t candidate, struct spec *ret);

#endif
