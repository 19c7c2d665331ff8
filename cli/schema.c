/* SPDX-License-Identifier: Apache-2.0 */
/* `tapio schema`: the published events as text, Markdown or JSON Schema: loops over the table. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config.h"
#include "event/table.h"
#include "export/json.h"

static const char usage[] =
	"usage: tapio schema [OPTION]... [EVENT]...\n"
	"\n"
	"Describes what Tapio publishes: all events, or those named.\n"
	"\n"
	"  -o, --output text|json-schema|markdown|config-markdown\n"
	"                        text is the default, json-schema that of draft 2020-12; config-markdown\n"
	"                        describes the keys of 'tapio run --config' instead\n"
	"  -h, --help            this text\n"
	"\n"
	"examples:\n"
	"  tapio schema process.exec                    the fields of one event\n"
	"  tapio schema -o json-schema >tapio.schema.json\n";

/* One way to write the schema. `first` tells the first event from the others. */
struct format {
	const char *name;
	void (*begin)(struct buf *out);
	void (*event)(struct buf *out, const struct event_desc *desc, bool first);
	void (*end)(struct buf *out);
};

/* ---- what a row says, in words ---- */

static bool in_tail(const struct event_field *f)
{
	return f->kind == KIND_STR || f->kind == KIND_STRV || f->kind == KIND_PATH;
}

static const char *type_text(const struct event_field *f)
{
	switch ((enum field_kind)f->kind) {
	case KIND_BOOL:
		return "boolean";
	case KIND_STRV:
	case KIND_CAPS:
		return "array of strings";
	case KIND_INSTANT:
		return "time";
	case KIND_ERRNO:
	case KIND_SIGNAL:
		return f->flags & AS_NAME ? "string" : "integer";
	case KIND_COMM:
	case KIND_STR:
	case KIND_PATH:
	case KIND_ADDRESS:
	case KIND_SENSOR:
	case KIND_CAUSE:
	case KIND_WHO:
	case KIND_REASON:
		return "string";
	default:
		return "integer";
	}
}

/* When the field is left out; NULL: only when tapio.absent names it. */
static const char *left_out_text(const struct event_field *f)
{
	if (f->flags & OMIT_FALSE)
		return "if false";
	if (in_tail(f) || f->kind == KIND_ADDRESS || (f->flags & OMIT_ZERO))
		return "if unknown or none";
	return f->flags & (OMIT_NEGATIVE | OMIT_ONES) ? "if it does not apply" : NULL;
}

/* Those that say whom the event is about, if it is about somebody. */
static unsigned identity_count(const struct event_desc *desc)
{
	return event_has_identity(desc) ? event_nidentity : 0;
}

/* ---- text ---- */

static void text_begin(struct buf *out)
{
	buf_printf(out,
		   "Schema %d.%d. One JSON object per line and event; a field is left out where the\n"
		   "last column says so, and always when \"tapio.absent\" names it: this kernel cannot\n"
		   "give it. Never is a value made up.\n"
		   "\n"
		   "every event\n"
		   "  time                                    time\n"
		   "      when it happened, UTC, nanoseconds\n"
		   "  event                                   string\n"
		   "      its name\n"
		   "  tapio.absent                            array of strings    if empty\n"
		   "      names of fields that this kernel cannot give\n",
		   SCHEMA_MAJOR, SCHEMA_MINOR);
}

static void text_field(struct buf *out, const struct event_field *f)
{
	const char *left_out = left_out_text(f);
	char type[64];

	if (f->kind == KIND_NONE)
		return;
	snprintf(type, sizeof(type), "%s%s%s", type_text(f), f->unit ? ", " : "", f->unit ? f->unit : "");
	buf_printf(out, "  %-39s %-*s%s\n      %s\n", f->name, left_out ? 20 : 0, type,
		   left_out ? left_out : "", f->help);
}

static void text_event(struct buf *out, const struct event_desc *desc, bool first)
{
	(void)first;
	buf_printf(out, "\n%s%s\n  %s\n", desc->name, desc->off ? "   (only if asked for)" : "", desc->help);
	for (unsigned i = 0; i < event_common_count(desc); i++)
		text_field(out, &event_common[i]);
	for (unsigned i = 0; i < identity_count(desc); i++)
		text_field(out, &event_identity_fields[i]);
	for (unsigned i = 0; i < desc->nfields; i++) {
		text_field(out, &desc->fields[i]);
		for (unsigned c = 0; desc->fields[i].kind == KIND_CAUSE && c < TAPIO_CAUSE_MAX; c++)
			buf_printf(out, "        %-13s %s\n", cause_name(c), cause_help(c));
	}
}

static void no_end(struct buf *out)
{
	(void)out;
}

/* ---- Markdown ---- */

static const char markdown_intro[] =
	"Tapio writes one JSON object per line and event (`tapio trace -o json`). Names are flat and are those\n"
	"of the OpenTelemetry semantic conventions where one exists. A field keeps its name and type for as\n"
	"long as the major version stays; new fields and events raise the minor one, so readers pass over what\n"
	"they do not know.\n"
	"\n"
	"## What a missing field means\n"
	"\n"
	"Tapio does not make values up. A field is missing for one of two reasons, and they can be told apart:\n"
	"\n"
	"- It is named in `tapio.absent`: the kernel, or the way in which Tapio is attached to it, cannot give it.\n"
	"  `tapio check` tells why. Arguments are also named there when the configuration keeps them back, and their\n"
	"  size when a secret was taken out of them (docs/REDACTION.md).\n"
	"- Otherwise this event has no value for it, as the column *left out* says. Fields with `-` there are always\n"
	"  present.\n"
	"\n"
	"## Types\n"
	"\n"
	"| Type | In JSON |\n"
	"|---|---|\n"
	"| integer | a number; those of 64 bits can pass 2^53, up to which a JavaScript number is exact |\n"
	"| string | UTF-8; each byte that is not UTF-8 becomes U+FFFD, control characters are escaped |\n"
	"| time | RFC 3339 in UTC with nine digits of a second: `2026-03-01T12:34:56.123456789Z` |\n"
	"\n"
	"Units are those of UCUM: `ns` nanoseconds, `By` bytes.\n"
	"\n"
	"## Order and loss\n"
	"\n"
	"Lines come ordered by `time` within a window of some milliseconds over all CPUs; who needs strict order sorts\n"
	"by `time`.\n"
	"\n"
	"What Tapio saw and could not deliver is in the stream itself: for each interval in which something was lost, a\n"
	"`tapio.lost` event for each sensor and cause, with how much. Its interval ends at its `time`. An interval that\n"
	"no `tapio.lost` covers lost nothing that Tapio can count; where a kernel does not count the runs that it\n"
	"skips, `tapio check` says so.\n"
	"\n";

static const char markdown_table[] = "| Field | Type | Unit | Left out | Meaning |\n|---|---|---|---|---|\n";

/* A cell must not end the cell. */
static void markdown_cell(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '|')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
}

static void markdown_field(struct buf *out, const struct event_field *f)
{
	const char *left_out = left_out_text(f);

	if (f->kind == KIND_NONE)
		return;
	buf_printf(out, "| `%s` | %s | %s | %s | ", f->name, type_text(f), f->unit ? f->unit : "",
		   left_out ? left_out : "-");
	markdown_cell(out, f->help);
	buf_adds(out, " |\n");
}

static void markdown_causes(struct buf *out)
{
	buf_adds(out, "| `tapio.lost.cause` | Meaning |\n|---|---|\n");
	for (unsigned i = 0; i < TAPIO_CAUSE_MAX; i++) {
		buf_printf(out, "| `%s` | ", cause_name(i));
		markdown_cell(out, cause_help(i));
		buf_adds(out, " |\n");
	}
}

static void markdown_identity(struct buf *out)
{
	buf_adds(out, "\n## Whom an event is about\n\nEvents of a process, `tapio.identity` and, where it is one "
		      "cgroup's, `tapio.lost` say so ([IDENTITY.md](IDENTITY.md) tells from where it is known):\n\n");
	buf_adds(out, markdown_table);
	for (unsigned i = 0; i < event_nidentity; i++)
		markdown_field(out, &event_identity_fields[i]);
	buf_adds(out, "\n| `tapio.identity.unknown` | Meaning |\n|---|---|\n");
	for (unsigned i = 0; i < IDENTITY_REASONS; i++)
		if (identity_reason_name(i))
			buf_printf(out, "| `%s` | %s |\n", identity_reason_name(i), identity_reason_help(i));
}

static void markdown_begin(struct buf *out)
{
	buf_printf(out,
		   "<!-- Generated by `make docs` from event/table.c. Do not edit. -->\n"
		   "# Events\n\nSchema version %d.%d.\n\n",
		   SCHEMA_MAJOR, SCHEMA_MINOR);
	buf_adds(out, markdown_intro);
	markdown_causes(out);
	buf_adds(out, "\n## Fields of every event\n\n");
	buf_adds(out, markdown_table);
	buf_adds(out, "| `time` | time |  | - | when it happened |\n"
		      "| `event` | string |  | - | its name |\n"
		      "| `tapio.absent` | array of strings |  | if empty | names of the fields of this event that "
		      "cannot be given here |\n"
		      "\nEvents of a process, which are all whose names do not begin with `tapio.`, also have:\n\n");
	buf_adds(out, markdown_table);
	for (unsigned i = 0; i < event_ncommon; i++)
		markdown_field(out, &event_common[i]);
	markdown_identity(out);
}

static void markdown_event(struct buf *out, const struct event_desc *desc, bool first)
{
	(void)first;
	buf_printf(out, "\n## %s\n\n%c%s.\n\n", desc->name, toupper(desc->help[0]), desc->help + 1);
	if (desc->sensor)
		buf_printf(out, "Collector `%s`, sensor `%s`.%s\n\n", collector_name(desc->sensor),
			   sensor_name(desc->sensor), desc->off ? " Only if asked for." : "");
	buf_adds(out, markdown_table);
	for (unsigned i = 0; i < desc->nfields; i++)
		markdown_field(out, &desc->fields[i]);
}

/* ---- JSON Schema ---- */

static void schema_quoted(struct buf *out, const char *s)
{
	json_quote(out, s, strlen(s));
}

static void schema_type(struct buf *out, const struct event_field *f)
{
	static const char *const max[] = { [KIND_U8] = "255", [KIND_U16] = "65535",
					   [KIND_U32] = "4294967295",
					   [KIND_U64] = "18446744073709551615" };
	const char *type = type_text(f);

	if (!strcmp(type, "array of strings"))
		buf_adds(out, "\"type\": \"array\", \"items\": { \"type\": \"string\" }");
	else if (!strcmp(type, "time"))
		buf_adds(out, "\"$ref\": \"#/$defs/time\"");
	else
		buf_printf(out, "\"type\": \"%s\"", type);
	if (f->kind < COUNT_OF(max) && max[f->kind])
		buf_printf(out, ", \"minimum\": 0, \"maximum\": %s", max[f->kind]);
}

static void schema_field(struct buf *out, const struct event_field *f)
{
	if (f->kind == KIND_NONE)
		return;
	buf_printf(out, ",\n        \"%s\": { ", f->name);
	schema_type(out, f);
	if (f->unit)
		buf_printf(out, ", \"x-unit\": \"%s\"", f->unit);
	buf_adds(out, ", \"description\": ");
	schema_quoted(out, f->help);
	buf_adds(out, " }");
}

/* Present, or named in tapio.absent. */
static void schema_present_or_absent(struct buf *out, const struct event_field *f, bool *first)
{
	if (f->kind == KIND_NONE || left_out_text(f))
		return;
	buf_printf(out,
		   "%s\n        { \"anyOf\": [ { \"required\": [\"%s\"] }, { \"required\": [\"tapio.absent\"], "
		   "\"properties\": { \"tapio.absent\": { \"contains\": { \"const\": \"%s\" } } } } ] }",
		   *first ? "" : ",", f->name, f->name);
	*first = false;
}

static void schema_required(struct buf *out, const struct event_desc *desc)
{
	bool first = true;

	buf_adds(out, "\n      },\n      \"required\": [\"time\", \"event\"");
	for (unsigned i = 0; !desc->sensor && i < desc->nfields; i++)
		if (desc->fields[i].kind != KIND_NONE && !left_out_text(&desc->fields[i]))
			buf_printf(out, ", \"%s\"", desc->fields[i].name);
	buf_adds(out, "]");
	if (!desc->sensor)
		return;
	buf_adds(out, ",\n      \"allOf\": [");
	for (unsigned i = 0; i < event_common_count(desc); i++)
		schema_present_or_absent(out, &event_common[i], &first);
	for (unsigned i = 0; i < desc->nfields; i++)
		schema_present_or_absent(out, &desc->fields[i], &first);
	buf_adds(out, "\n      ]");
}

static void schema_begin(struct buf *out)
{
	buf_printf(out,
		   "{\n"
		   "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
		   "  \"title\": \"Tapio events\",\n"
		   "  \"description\": \"One line of tapio trace -o json. Later minor versions add fields and "
		   "events.\",\n"
		   "  \"x-schema-version\": \"%d.%d\",\n"
		   "  \"$defs\": {\n"
		   "    \"time\": {\n"
		   "      \"type\": \"string\",\n"
		   "      \"format\": \"date-time\",\n"
		   "      \"pattern\": \"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{9}Z$\"\n"
		   "    },\n"
		   "    \"absent\": {\n"
		   "      \"type\": \"array\",\n"
		   "      \"items\": { \"type\": \"string\" },\n"
		   "      \"minItems\": 1,\n"
		   "      \"uniqueItems\": true,\n"
		   "      \"description\": \"names of the fields of this event that cannot be given here\"\n"
		   "    }\n"
		   "  },\n"
		   "  \"oneOf\": [",
		   SCHEMA_MAJOR, SCHEMA_MINOR);
}

static void schema_event(struct buf *out, const struct event_desc *desc, bool first)
{
	buf_printf(out, "%s\n    {\n      \"title\": \"%s\",\n      \"description\": ", first ? "" : ",",
		   desc->name);
	schema_quoted(out, desc->help);
	buf_printf(out,
		   ",\n      \"type\": \"object\",\n      \"properties\": {\n"
		   "        \"time\": { \"$ref\": \"#/$defs/time\" },\n"
		   "        \"event\": { \"const\": \"%s\" }",
		   desc->name);
	for (unsigned i = 0; i < event_common_count(desc); i++)
		schema_field(out, &event_common[i]);
	for (unsigned i = 0; i < identity_count(desc); i++)
		schema_field(out, &event_identity_fields[i]);
	for (unsigned i = 0; i < desc->nfields; i++)
		schema_field(out, &desc->fields[i]);
	if (desc->sensor)
		buf_adds(out, ",\n        \"tapio.absent\": { \"$ref\": \"#/$defs/absent\" }");
	schema_required(out, desc);
	buf_adds(out, "\n    }");
}

static void schema_end(struct buf *out)
{
	buf_adds(out, "\n  ]\n}\n");
}

/* ---- docs/CONFIGURATION.md ---- */

static void config_begin(struct buf *out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	out->refused = !to;
	if (!to)
		return;
	config_print_docs(to);
	if (fclose(to))
		out->refused = true;
	else
		buf_add(out, text, size);
	free(text);
}

static void no_event(struct buf *out, const struct event_desc *desc, bool first)
{
	(void)out;
	(void)desc;
	(void)first;
}

/* ---- the command ---- */

static const struct format formats[] = {
	{ "text", text_begin, text_event, no_end },
	{ "json-schema", schema_begin, schema_event, schema_end },
	{ "markdown", markdown_begin, markdown_event, no_end },
	{ "config-markdown", config_begin, no_event, no_end },
};

static const struct format *format_by_name(const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

static bool named(const struct event_desc *desc, int names, char **name)
{
	for (int i = 0; i < names; i++)
		if (!strcmp(name[i], desc->name))
			return true;
	return !names;
}

/* In the order of the table, each once, however they were named. */
static int schema_write(const struct format *format, int names, char **name)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4 << 20);
	bool first = true;

	format->begin(&out);
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (!desc || !named(desc, names, name))
			continue;
		format->event(&out, desc, first);
		first = false;
	}
	format->end(&out);
	if (out.refused) {
		log_error("schema: out of memory");
		return STATUS_FAILED;
	}
	if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout)) {
		if (errno != EPIPE)
			log_error("schema: standard output: cannot write: %s", strerror(errno));
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

/* A status, or -1 to go on with *ret_format. */
static int schema_options(int argc, char **argv, const struct format **ret_format)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	optind = 0; /* start anew: the program has read its own options */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			fputs(usage, stdout);
			return STATUS_OK;
		case 'o':
			*ret_format = format_by_name(optarg);
			if (*ret_format)
				break;
			return usage_error("schema", "--output %s: no such format; use text, json-schema, markdown or "
					   "config-markdown",
					   optarg);
		case ':':
			return usage_error("schema", "%s: needs a format: text, json-schema, markdown or config-markdown",
					   argv[optind - 1]);
		default:
			if (!strncmp(argv[optind - 1], "--", 2))
				return usage_error("schema", "%s: no such option", argv[optind - 1]);
			return usage_error("schema", "-%c: no such option", optopt);
		}
	}
	return -1;
}

int cmd_schema(int argc, char **argv)
{
	const struct format *format = &formats[0];
	int status = schema_options(argc, argv, &format);

	if (status >= 0)
		return status;
	if (format->event == no_event && optind < argc)
		return usage_error("schema", "%s: config-markdown is of no event", argv[optind]);
	for (int i = optind; i < argc; i++)
		if (!event_desc_by_name(argv[i]))
			return usage_error("schema", "%s: no such event; 'tapio schema' lists them", argv[i]);
	return schema_write(format, argc - optind, argv + optind);
}
