/* SPDX-License-Identifier: Apache-2.0 */
/* The reports of `tapio check --btf`. */
#include <string.h>

#include "cli/check_btf.h"
#include "export/json_doc.h"

static const char *const verdicts[] = { [FORETOLD_RUNS] = "runs", [FORETOLD_OPEN] = "open", [FORETOLD_FAILS] = "fails" };

/* What no file can tell. */
#define UNTOLD                                                                                     \
	"the verifier's judgement of what is reached, privileges, lockdown, tracefs and cgroups of the machine"

static const struct event_field *field_at(const struct event_desc *desc, unsigned i)
{
	unsigned common = event_common_count(desc);

	return i < common ? &event_common[i] : &desc->fields[i - common];
}

static enum giving gives(const struct sensor_forecast *s, const struct event_desc *desc, const struct event_field *f)
{
	return s->tier ? tier_gives(s->tier, desc, f->name) : GIVES_NOTHING;
}

/* ---- text ---- */

static void print_fields(const struct sensor_forecast *s, const struct event_desc *desc, enum giving giving,
			 const char *heading, FILE *to)
{
	bool any = false;

	for (unsigned i = 0; i < event_common_count(desc) + desc->nfields; i++) {
		const struct event_field *f = field_at(desc, i);

		if (!f->name || gives(s, desc, f) != giving)
			continue;
		fprintf(to, "%s%s", any ? ", " : heading, f->name);
		any = true;
	}
	if (any)
		fprintf(to, "\n");
}

static void print_event(const struct sensor_forecast *s, const struct event_desc *desc, FILE *to)
{
	bool given = s->tier && tier_gives_event(s->tier, desc);

	fprintf(to, "    %s%s\n", desc->name, given ? "" : s->tier ? ": absent: this tier does not give it" : ": absent");
	if (!given)
		return;
	print_fields(s, desc, GIVES_DERIVED, "      derived: ", to);
	print_fields(s, desc, GIVES_NOTHING, "      absent: ", to);
}

static void print_tier(const struct sensor_forecast *s, unsigned i, FILE *to)
{
	const struct tier *tier = &s->sensor->tiers[i];
	const struct tier_forecast *t = &s->tiers[i];

	fprintf(to, "    %-20s %s%s\n", tier->name,
		t->foretold == FORETOLD_FAILS ? "does not run: " :
		t->foretold == FORETOLD_OPEN  ? "cannot be told: " :
		tier == s->tier		      ? "runs, as far as BTF tells" :
						"would run, and is not needed",
		t->why);
}

static void print_sensor(const struct sensor_forecast *s, FILE *to)
{
	unsigned id = s->sensor->id;

	fprintf(to, "\nsensor %s of collector %s: %s%s%s\n", sensor_name(id), collector_name(id),
		s->tier ? "tier " : "does not run", s->tier ? s->tier->name : "", s->open ? ", if at all" : "");
	fprintf(to, "  tiers, best first\n");
	for (unsigned i = 0; i < ladder_height(s->sensor); i++)
		print_tier(s, i, to);
	fprintf(to, "  events; fields are exact unless named\n");
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == id)
			print_event(s, desc, to);
	}
}

static void print_types(const struct btf_source *s, FILE *to)
{
	const struct types *t = &s->types;

	fprintf(to, "  BTF           %u types (%s)", t->count - 1, s->form);
	if (t->unknown)
		fprintf(to, ", %u of kinds that are not known here", t->unknown);
	if (t->mended)
		fprintf(to, ", %u references to nothing", t->mended);
	if (t->cut)
		fprintf(to, ", read as far as it goes");
	fprintf(to, "\n");
	if (!s->own)
		fprintf(to, "                taken for the kernel's own; a kernel without, to which it is supplied, runs no tier tp_btf\n");
}

void check_btf_text(const char *file, const struct forecast *f, FILE *to)
{
	const struct btf_source *s = f->source;

	fprintf(to, "Tapio %s on Linux %s%s%s, by %s: %s support\n\n", TAPIO_VERSION,
		s->release[0] ? s->release : "of unknown version", s->machine ? " " : "", s->machine ? s->machine : "",
		file, f->level);
	print_types(s, to);
	fprintf(to, "  transport     %s%s\n", f->ringbuf.foretold == FORETOLD_RUNS ? "ring buffer" : "perf buffer: ",
		f->ringbuf.why);
	fprintf(to, "  not told      " UNTOLD "\n");
	if (f->nabsent)
		fprintf(to, "  done without ");
	for (unsigned i = 0; i < f->nabsent; i++)
		fprintf(to, "%s %s", i ? "," : "", f->absent[i]);
	if (f->absent_refused)
		fprintf(to, ", and %u more", f->absent_refused);
	fprintf(to, f->nabsent ? "\n" : "");
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (f->sensors[i].sensor)
			print_sensor(&f->sensors[i], to);
}

/* ---- JSON ---- */

static void add_types(struct buf *b, const struct btf_source *s)
{
	doc_key(b, "btf");
	buf_addc(b, '{');
	doc_text(b, "form", s->form);
	doc_bool(b, "own", s->own);
	doc_bool(b, "minimal", s->minimal);
	doc_number(b, "types", s->types.count - 1);
	doc_number(b, "unknown", s->types.unknown);
	doc_number(b, "mended", s->types.mended);
	doc_bool(b, "cut", s->types.cut);
	buf_addc(b, '}');
}

static void add_event(struct buf *b, const struct sensor_forecast *s, const struct event_desc *desc)
{
	static const char *const ways[] = { [GIVES_EXACT] = "exact", [GIVES_DERIVED] = "derived",
					    [GIVES_NOTHING] = "absent" };

	doc_comma(b);
	buf_addc(b, '{');
	doc_text(b, "name", desc->name);
	doc_bool(b, "present", s->tier && tier_gives_event(s->tier, desc));
	doc_key(b, "fields");
	buf_addc(b, '{');
	for (unsigned i = 0; i < event_common_count(desc) + desc->nfields; i++) {
		const struct event_field *f = field_at(desc, i);

		if (f->name)
			doc_text(b, f->name, ways[gives(s, desc, f)]);
	}
	buf_adds(b, "}}");
}

static void add_sensor(struct buf *b, const struct sensor_forecast *s)
{
	unsigned id = s->sensor->id;

	doc_comma(b);
	buf_addc(b, '{');
	doc_text(b, "name", sensor_name(id));
	doc_text(b, "collector", collector_name(id));
	doc_text(b, "tier", s->tier ? s->tier->name : NULL);
	doc_bool(b, "certain", s->tier && !s->open);
	doc_key(b, "tiers");
	buf_addc(b, '[');
	for (unsigned i = 0; i < ladder_height(s->sensor); i++) {
		doc_comma(b);
		buf_addc(b, '{');
		doc_text(b, "name", s->sensor->tiers[i].name);
		doc_text(b, "state", verdicts[s->tiers[i].foretold]);
		if (s->tiers[i].why[0])
			doc_text(b, "reason", s->tiers[i].why);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	doc_key(b, "events");
	buf_addc(b, '[');
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == id)
			add_event(b, s, desc);
	}
	buf_adds(b, "]}");
}

void check_btf_json(const char *file, const struct forecast *f, FILE *to)
{
	const struct btf_source *s = f->source;
	struct buf b = BUF_INIT(1 << 20);

	buf_addc(&b, '{');
	doc_text(&b, "schema", CHECK_BTF_SCHEMA);
	doc_text(&b, "version", TAPIO_VERSION);
	doc_text(&b, "file", file);
	doc_text(&b, "level", f->level);
	doc_key(&b, "kernel");
	buf_addc(&b, '{');
	doc_text(&b, "release", s->release[0] ? s->release : NULL);
	doc_text(&b, "architecture", s->machine);
	buf_addc(&b, '}');
	add_types(&b, s);
	doc_key(&b, "ringbuf");
	buf_addc(&b, '{');
	doc_bool(&b, "present", f->ringbuf.foretold == FORETOLD_RUNS);
	if (f->ringbuf.why[0])
		doc_text(&b, "reason", f->ringbuf.why);
	buf_addc(&b, '}');
	doc_text(&b, "not_told", UNTOLD);
	doc_key(&b, "done_without");
	buf_addc(&b, '[');
	for (unsigned i = 0; i < f->nabsent; i++)
		doc_item(&b, f->absent[i]);
	buf_addc(&b, ']');
	doc_key(&b, "sensors");
	buf_addc(&b, '[');
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (f->sensors[i].sensor)
			add_sensor(&b, &f->sensors[i]);
	buf_adds(&b, "]}\n");
	fwrite(b.data, 1, b.length, to);
	buf_free(&b);
}
