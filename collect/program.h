/* SPDX-License-Identifier: Apache-2.0 */
/* An embedded object, taken apart: its programs, its types, and what is to be relocated in it. */
#ifndef COLLECT_PROGRAM_H
#define COLLECT_PROGRAM_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "collect/image.h"
#include "collect/types.h"

#define PROGRAMS_MAX 64

struct program {
	const char *name;    /* these are in the image */
	const char *section; /* "tp_btf/sched_process_exec"; ".text" for a function that programs call */
	const struct bpf_insn *insns;
	unsigned count;
	unsigned first;      /* instruction in its section */
	unsigned index;      /* of the section */
};

struct core_record {
	struct bpf_core_relo relo;
	unsigned program; /* whose */
	unsigned insn;    /* of it */
};

struct object {
	const struct image *image;
	struct types types;
	struct program programs[PROGRAMS_MAX];
	unsigned nprograms;
	struct core_record *records; /* in the order in which libbpf takes them */
	unsigned nrecords;
};

/* 0, -EINVAL if it is no BPF object as clang makes them, -E2BIG, -ENOMEM. */
int object_open(const struct image *image, struct object *ret);
void object_close(struct object *o);

/* The number of the program of that name, -ENOENT. */
int object_program(const struct object *o, const char *name);

#endif
