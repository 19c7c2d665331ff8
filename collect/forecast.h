/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel's types tell of a kernel that is not running here: which tier each sensor would get, by
 * really relocating its programs. What they cannot tell (what the verifier makes of a program, what a process
 * may do, whether tracefs is there) is found out at run time.
 */
#ifndef COLLECT_FORECAST_H
#define COLLECT_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/btf_source.h"
#include "collect/relocate.h"
#include "collect/sensor.h"

enum foretold {
	FORETOLD_RUNS,  /* nothing in the types speaks against it */
	FORETOLD_OPEN,  /* the types do not tell: why says what */
	FORETOLD_FAILS, /* why says at what */
};

struct tier_forecast {
	enum foretold foretold;
	bool lacks; /* a type or member that a program cannot do without */
	char why[WHY_MAX];
};

struct sensor_forecast {
	const struct sensor *sensor; /* NULL: not asked for */
	const struct tier *tier;     /* the best that does not fail, NULL: none */
	bool open;                   /* and it may */
	struct tier_forecast tiers[TIERS_MAX];
};

/* What the programs of the chosen tiers asked for and did without. */
#define ABSENT_MAX 64
#define ABSENT_NAME_MAX 96

struct forecast {
	const struct btf_source *source;
	struct tier_forecast ringbuf;
	const char *level; /* as support_level() of the command line has it */
	struct sensor_forecast sensors[TAPIO_SENSOR_MAX];
	char absent[ABSENT_MAX][ABSENT_NAME_MAX];
	unsigned nabsent, absent_refused;
};

struct forecast_options {
	uint64_t events;                     /* EVENT_BIT of what is wanted */
	const char *tiers[TAPIO_SENSOR_MAX]; /* forced ones, NULL: the best */
	const char *no_btf, *no_ringbuf;     /* why the feature counts as absent; NULL: it does not */
};

/* 0, -ENOMEM, or -EINVAL if an embedded object is damaged. The source has to outlive ret. */
int forecast(const struct btf_source *source, const struct forecast_options *options, struct forecast *ret);

/* ---- parts of it ---- */

/* What a program's relocations did not find where it gets. */
void foretell_relocations(const struct relocation *r, unsigned program, const bool *reached, struct tier_forecast *ret);
/* What a program needs of the kernel besides its relocations. `insns` are relocated, `reached` is reach()'s. */
void foretell_program(const struct types *t, const struct program *p, const struct bpf_insn *insns, const bool *reached,
		      struct tier_forecast *ret);
/* Whether the kernel has what the object's maps are made of. */
void foretell_maps(const struct types *t, const struct image *image, struct tier_forecast *ret);
void foretell_ringbuf(const struct types *t, struct tier_forecast *ret);

/* A verdict that is worse than what is in ret replaces it. */
void foretell(struct tier_forecast *ret, enum foretold foretold, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The objects of all tiers that need BTF, each once. Their number. */
#define CORE_OBJECTS_MAX 64
unsigned core_objects(const struct image *ret[CORE_OBJECTS_MAX]);

/* What a tier asks for, relocated: r->programs are those that the events need. */
int forecast_relocate(const struct object *o, const struct tier *tier, uint64_t events, const struct types *t,
		      struct relocation *ret);

/* Which instructions of program i can be reached; NULL if there is no memory. The caller frees it. */
bool *forecast_reach(const struct relocation *r, unsigned i, int *ret_err);

#endif
