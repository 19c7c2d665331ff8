/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration as YAML, by the table. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/config_table.h"
#include "event/table.h"

#define COMMENT_COLUMNS 100

struct printer {
	FILE *to;
	bool annotated;
};

static void indent(const struct printer *p, unsigned by)
{
	fprintf(p->to, "%*s", (int)by, "");
}

/* A comment of as many lines as it takes. */
static void comment(const struct printer *p, unsigned by, const char *text)
{
	unsigned column = 0;

	while (*text) {
		unsigned n = (unsigned)strcspn(text, " ");

		if (!column || column + 1 + n > COMMENT_COLUMNS) {
			if (column)
				fputc('\n', p->to);
			indent(p, by);
			fputc('#', p->to);
			column = by + 1;
		}
		fprintf(p->to, " %.*s", (int)n, text);
		column += 1 + n;
		text += n;
		text += *text == ' ';
	}
	fputc('\n', p->to);
}

/* What a key is for and what is allowed, above it. */
static void annotate(const struct printer *p, unsigned by, const struct config_key *key)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *to;

	if (!p->annotated)
		return;
	comment(p, by, key->help);
	if (!CONFIG_SINGLE(key))
		return;
	to = open_memstream(&text, &size);
	if (!to)
		return;
	fputs("allowed: ", to);
	config_value_allowed(key, to);
	fclose(to);
	comment(p, by, text);
}

/* Lines of an example, each a comment. */
static void example(const struct printer *p, unsigned by, const char *lines)
{
	if (!p->annotated || !lines)
		return;
	comment(p, by, "for example:");
	while (*lines) {
		size_t n = strcspn(lines, "\n");

		indent(p, by);
		fprintf(p->to, "#   %.*s\n", (int)n, lines);
		lines += n + 1;
	}
}

/* ---- values ---- */

struct names {
	FILE *to;
	bool more;
};

static void add_sensor(const char *name, void *arg)
{
	struct names *names = arg;

	fprintf(names->to, "%s%s", names->more ? ", " : "", name);
	names->more = true;
}

static void print_sensors(const struct printer *p, const struct config *config)
{
	struct names names = { .to = p->to };

	fputs(" [", p->to);
	config_each_sensor(config->events, add_sensor, &names);
	fputs("]\n", p->to);
}

/* Each event of the chosen sensors, so that the defaults need not be known. */
static void print_events(const struct printer *p, const struct config *config, unsigned by)
{
	uint64_t all = config_sensors_of(config->events);

	fputc('\n', p->to);
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		if (!(all & CONFIG_EVENT(type)))
			continue;
		indent(p, by + 2);
		fprintf(p->to, "%s: %s\n", event_desc_by_type(type)->name,
			config->events & CONFIG_EVENT(type) ? "true" : "false");
	}
}

static void print_element(const struct printer *p, const struct config_keys *set, const void *base, unsigned by)
{
	bool first = true;

	for (unsigned i = 0; i < set->n; i++) {
		const struct config_key *key = &set->keys[i];

		if (!config_value_given(key, base))
			continue;
		annotate(p, first ? by : by + 2, key);
		indent(p, by);
		fprintf(p->to, "%s%s: ", first ? "- " : "  ", key->name);
		config_value_print(key, base, p->to);
		fputc('\n', p->to);
		first = false;
	}
}

static void print_list(const struct printer *p, const struct config_key *key, const struct config *config,
		       unsigned by)
{
	unsigned count = *(const unsigned *)(const void *)((const char *)config + key->count_offset);
	const struct config_rule *rules = (const void *)((const char *)config + key->offset);

	fputs(count ? "\n" : " []\n", p->to);
	for (unsigned i = 0; i < count; i++) {
		if (key->kind == CONFIG_KIND_RULES)
			print_element(p, &config_rule_keys, &rules[i], by + 2);
		else
			print_element(p, &config_sink_keys[config->sinks[i].type], &config->sinks[i], by + 2);
	}
}

static void print_value(const struct printer *p, const struct config_key *key, const struct config *config,
			unsigned by)
{
	switch (key->kind) {
	case CONFIG_KIND_SENSORS:
		print_sensors(p, config);
		break;
	case CONFIG_KIND_EVENTS:
		print_events(p, config, by);
		break;
	case CONFIG_KIND_RULES:
	case CONFIG_KIND_SINKS:
		print_list(p, key, config, by);
		break;
	default:
		fputc(' ', p->to);
		config_value_print(key, config, p->to);
		fputc('\n', p->to);
	}
}

/* The heading of a section, where one begins. */
static void print_section(const struct printer *p, unsigned i)
{
	const char *name = config_top_keys.keys[i].name, *dot = strchr(name, '.');
	size_t n = dot ? (size_t)(dot + 1 - name) : 0;
	bool same = i && n && !strncmp(config_top_keys.keys[i - 1].name, name, n);

	if (p->annotated && i && !same)
		fputc('\n', p->to);
	if (n && !same)
		fprintf(p->to, "%.*s:\n", (int)n - 1, name);
}

static void print_all(const struct printer *p, const struct config *config)
{
	for (unsigned i = 0; i < config_top_keys.n; i++) {
		const struct config_key *key = &config_top_keys.keys[i];
		const char *dot = strchr(key->name, '.');
		unsigned by = dot ? 2 : 0;

		print_section(p, i);
		annotate(p, by, key);
		example(p, by, key->example);
		indent(p, by);
		fprintf(p->to, "%s:", dot ? dot + 1 : key->name);
		print_value(p, key, config, by);
	}
}

void config_print(const struct config *config, FILE *to)
{
	print_all(&(struct printer){ .to = to }, config);
}

void config_print_annotated(const struct config *config, FILE *to)
{
	print_all(&(struct printer){ .to = to, .annotated = true }, config);
}

/* ---- what differs ---- */

/* The value as it is printed, NULL without memory. The caller frees it. */
static char *value_text(const struct config_key *key, const struct config *config)
{
	struct printer p = {};
	char *text = NULL;
	size_t size;

	p.to = open_memstream(&text, &size);
	if (!p.to)
		return NULL;
	print_value(&p, key, config, 0);
	fclose(p.to);
	return text;
}

bool config_needs_restart(const struct config *running, const struct config *wanted, char *keys, size_t size)
{
	size_t used = 0;

	if (size)
		keys[0] = '\0';
	for (unsigned i = 0; i < config_top_keys.n; i++) {
		const struct config_key *key = &config_top_keys.keys[i];
		_cleanup_free_ char *a = NULL, *b = NULL;

		if (!(key->flags & CONFIG_RESTART))
			continue;
		a = value_text(key, running);
		b = value_text(key, wanted);
		if (a && b && !strcmp(a, b))
			continue;
		snprintf(keys + used, used < size ? size - used : 0, "%s%s", used ? ", " : "", key->name);
		used = strlen(keys);
	}
	return used;
}
