/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CO-RE relocations, run in user space against any kernel's types: what libbpf would write into each
 * instruction if the object were loaded there. The rules are libbpf 1.1.2's, for that is what loads
 * them; tests/live/relocate.c compares every result with its own.
 */
#ifndef COLLECT_RELOCATE_H
#define COLLECT_RELOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/program.h"
#include "collect/types.h"

/* How deep a field may lie; libbpf's limit. */
#define PATH_MAX_STEPS 64

/*
 * What all relocations of an object together may cost, in looks at a member: ten times what the largest
 * kernels take. Types can be made so that the search never ends.
 */
#define RELOCATE_BUDGET 20000000u

enum relo_state {
	RELO_FOUND,  /* value is what the instruction gets */
	RELO_ABSENT, /* the instruction is replaced by an invalid one: it must not be reached */
	RELO_BROKEN, /* the object cannot be loaded at all; err says why */
};

/* Where a type, a field or an enumerator was found, for who wants to keep it. */
struct relo_path {
	uint32_t type; /* the candidate's id */
	unsigned steps;
	struct {
		uint32_t type;  /* a struct, union, array's element or enum */
		uint32_t index; /* of the member; of the element if `element` */
		bool element;
	} step[PATH_MAX_STEPS];
};

struct relo_result {
	enum relo_state state;
	int err;
	uint64_t value;
	uint32_t bytes, old_bytes; /* size of a field that is read directly, there and where it was compiled */
	bool wrong_size;           /* and that it cannot be read so */
	bool check;                /* whether the instruction must hold old_value */
	uint64_t old_value;
	bool found;                /* a candidate matched */
	struct relo_path path;     /* of the first one that did, if found */
};

struct relocation {
	const struct object *object;
	const struct types *target; /* indexed */
	uint64_t programs;          /* bit by number: those that are to be loaded */
	struct relo_result *results; /* one per record; of other programs zeroed */
	struct bpf_insn **insns;     /* the programs with their results written in, NULL for others */
	const char *broken;          /* a relocation of which failed for good, NULL: none */
	uint32_t budget;
	struct candidates *candidates; /* by record's type; internal */
	unsigned ncandidates;
};

/*
 * Runs the relocations of some programs. 0 or -ENOMEM; that a relocation failed is in the results. Object
 * and target have to outlive ret.
 */
int relocate(const struct object *o, const struct types *target, uint64_t programs, struct relocation *ret);
void relocation_free(struct relocation *r);

/* "task_struct.start_boottime", "enum value BPF_FUNC_x of bpf_func_id", for people. */
void record_describe(const struct object *o, const struct core_record *record, char *text, size_t size);

/* Instruction that stands for what was not found. */
#define POISON_HELPER 0xbad2310

#endif
