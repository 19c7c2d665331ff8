/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/forecast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/reach.h"

/* Objects are taken apart once, however many tiers use them. */
struct opened {
	struct object object;
	const char *name;
};

#define OPENED_MAX (TAPIO_SENSOR_MAX * 4)

struct run {
	const struct btf_source *source;
	const struct forecast_options *options;
	struct forecast *ret;
	struct opened opened[OPENED_MAX];
	unsigned nopened;
};

static int open_object(struct run *run, const char *name, const struct object **ret)
{
	const struct image *image = image_find(name);
	int err;

	for (unsigned i = 0; i < run->nopened; i++)
		if (!strcmp(run->opened[i].name, name)) {
			*ret = &run->opened[i].object;
			return 0;
		}
	if (!image || run->nopened == OPENED_MAX)
		return -EINVAL;
	err = object_open(image, &run->opened[run->nopened].object);
	if (err)
		return err;
	run->opened[run->nopened].name = name;
	*ret = &run->opened[run->nopened++].object;
	return 0;
}

unsigned core_objects(const struct image *ret[CORE_OBJECTS_MAX])
{
	const struct sensor *const *s, *const *end = sensors(&s);
	unsigned n = 0;

	for (; s < end; s++)
		for (unsigned i = 0; i < ladder_height(*s); i++) {
			const struct tier *tier = &(*s)->tiers[i];
			const struct image *image = tier->abi ? NULL : image_find(tier->object);
			bool known = !image || n == CORE_OBJECTS_MAX;

			for (unsigned k = 0; k < n; k++)
				known |= ret[k] == image;
			if (!known)
				ret[n++] = image;
		}
	return n;
}

int forecast_relocate(const struct object *o, const struct tier *tier, uint64_t events, const struct types *t,
		      struct relocation *ret)
{
	uint64_t programs = 0;

	for (unsigned i = 0; i < TIER_PROGRAMS_MAX && tier->programs[i].name; i++) {
		int program = object_program(o, tier->programs[i].name);

		if (program < 0)
			return -EINVAL;
		if (tier->programs[i].events & events)
			programs |= 1ull << program;
	}
	return relocate(o, t, programs, ret);
}

bool *forecast_reach(const struct relocation *r, unsigned i, int *ret_err)
{
	unsigned count = r->object->programs[i].count;
	bool *reached = calloc(count + 1, sizeof(*reached));

	*ret_err = reached ? reach(r->insns[i], count, reached) : -ENOMEM;
	return reached;
}

/* What a relocation did not find, where the program gets there, costs the program. */
void foretell_relocations(const struct relocation *r, unsigned program, const bool *reached, struct tier_forecast *ret)
{
	const struct object *o = r->object;
	char what[160];

	for (unsigned i = 0; i < o->nrecords; i++) {
		const struct core_record *record = &o->records[i];
		const struct bpf_insn *insn;

		if (record->program != program || !reached[record->insn])
			continue;
		insn = &r->insns[program][record->insn];
		if (insn->code != (BPF_JMP | BPF_CALL) || insn->imm != POISON_HELPER)
			continue;
		record_describe(o, record, what, sizeof(what));
		ret->lacks = true;
		foretell(ret, FORETOLD_FAILS,
			 r->results[i].state == RELO_ABSENT ?
				 "program %s needs %s, which this kernel has not" :
				 "program %s reads %s, which has another size in this kernel",
			 o->programs[program].name, what);
		return;
	}
}

/* One that fails for good costs the object, reached or not. */
static void foretell_broken(const struct relocation *r, struct tier_forecast *ret)
{
	const struct object *o = r->object;
	char what[160];

	for (unsigned i = 0; i < o->nrecords; i++) {
		if (r->results[i].state != RELO_BROKEN)
			continue;
		record_describe(o, &o->records[i], what, sizeof(what));
		ret->lacks = true;
		foretell(ret, FORETOLD_FAILS, "program %s: %s: %s", o->programs[o->records[i].program].name, what,
			 r->results[i].err == -ENOTUNIQ ? "this kernel has several types of that name, which disagree" :
			 r->results[i].err == -E2BIG ? "this kernel's types are nested too deeply" :
						       strerror(-r->results[i].err));
		return;
	}
}

static void note_absent(struct forecast *f, const struct object *o, const struct relocation *r)
{
	for (unsigned i = 0; i < o->nrecords; i++) {
		char what[ABSENT_NAME_MAX];
		bool known = false;

		if (!(r->programs >> o->records[i].program & 1) || r->results[i].found ||
		    o->records[i].relo.kind == BPF_CORE_TYPE_ID_LOCAL)
			continue;
		record_describe(o, &o->records[i], what, sizeof(what));
		for (unsigned k = 0; k < f->nabsent; k++)
			known |= !strcmp(f->absent[k], what);
		if (!known && f->nabsent < ABSENT_MAX)
			strcpy(f->absent[f->nabsent++], what);
		else if (!known)
			f->absent_refused++;
	}
}

static int foretell_core(struct run *run, const struct tier *tier, uint64_t events, struct tier_forecast *ret,
			 bool note)
{
	const struct types *t = &run->source->types;
	const struct object *o;
	struct relocation r;
	int err = open_object(run, tier->object, &o);

	if (!err)
		err = forecast_relocate(o, tier, events, t, &r);
	if (err)
		return err;
	foretell_broken(&r, ret);
	foretell_maps(t, o->image, ret);
	for (unsigned i = 0; !err && i < o->nprograms; i++) {
		_cleanup_free_ bool *reached = NULL;

		if (!(r.programs >> i & 1))
			continue;
		reached = forecast_reach(&r, i, &err);
		if (err)
			break;
		foretell_relocations(&r, i, reached, ret);
		foretell_program(t, &o->programs[i], r.insns[i], reached, ret);
	}
	if (!err && note)
		note_absent(run->ret, o, &r);
	relocation_free(&r);
	return err;
}

static int foretell_tier(struct run *run, const struct sensor *sensor, const struct tier *tier, uint64_t events,
			 struct tier_forecast *ret)
{
	const struct forecast_options *options = run->options;

	if (options->tiers[sensor->id] && strcmp(options->tiers[sensor->id], tier->name))
		foretell(ret, FORETOLD_FAILS, "tier %s was forced", options->tiers[sensor->id]);
	else if (!tier_gives_any(tier, events))
		foretell(ret, FORETOLD_FAILS, "gives none of the events asked for");
	else if (tier->abi)
		foretell(ret, FORETOLD_OPEN, "uses no BTF: what it needs is probed at run time");
	else if (options->no_btf)
		foretell(ret, FORETOLD_FAILS, "needs btf: %s", options->no_btf);
	else
		return foretell_core(run, tier, events, ret, false);
	return 0;
}

static int foretell_sensor(struct run *run, const struct sensor *sensor, uint64_t events)
{
	struct sensor_forecast *f = &run->ret->sensors[sensor->id];
	struct tier_forecast ignored = {};

	f->sensor = sensor;
	for (unsigned i = 0; i < ladder_height(sensor); i++) {
		const struct tier *tier = &sensor->tiers[i];
		int err = foretell_tier(run, sensor, tier, events, &f->tiers[i]);

		if (err)
			return err;
		if (f->tier || f->tiers[i].foretold == FORETOLD_FAILS)
			continue;
		f->tier = tier;
		f->open = f->tiers[i].foretold == FORETOLD_OPEN;
	}
	return f->tier && !f->tier->abi ? foretell_core(run, f->tier, events, &ignored, true) : 0;
}

static const char *level_of(const struct forecast *f)
{
	bool any = false, abi = false, less = f->ringbuf.foretold != FORETOLD_RUNS;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct tier *tier = f->sensors[i].tier;

		if (!tier)
			continue;
		any = true;
		abi |= tier->abi;
		less |= tier->loses != NULL;
	}
	return !any ? "no" : abi ? "fallback" : less ? "partial" : "full";
}

static uint64_t events_of(unsigned sensor, uint64_t wanted)
{
	uint64_t events = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == sensor)
			events |= EVENT_BIT(type) & wanted;
	}
	return events;
}

int forecast(const struct btf_source *source, const struct forecast_options *options, struct forecast *ret)
{
	const struct sensor *const *s, *const *end = sensors(&s);
	struct run *run = calloc(1, sizeof(*run));
	int err = 0;

	if (!run)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	run->source = ret->source = source;
	run->options = options;
	run->ret = ret;
	foretell_ringbuf(&source->types, &ret->ringbuf);
	if (options->no_ringbuf)
		foretell(&ret->ringbuf, FORETOLD_FAILS, "%s", options->no_ringbuf);
	for (; !err && s < end; s++) {
		uint64_t events = events_of((*s)->id, options->events);

		if (events)
			err = foretell_sensor(run, *s, events);
	}
	ret->level = level_of(ret);
	for (unsigned i = 0; i < run->nopened; i++)
		object_close(&run->opened[i].object);
	free(run);
	return err;
}
