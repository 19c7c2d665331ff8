/* SPDX-License-Identifier: Apache-2.0 */
/* From a tree of YAML to a configuration, by the table. */
#include "cli/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/config_suggest.h"
#include "cli/config_table.h"
#include "cli/config_yaml.h"
#include "event/table.h"

#define NAME_MAX_BYTES 128 /* of a dotted key; longer ones are unknown */
#define LIST_MAX_BYTES 512 /* of what is allowed, in a message */

struct reader {
	struct config_source source;
	struct node *root;
	struct config config;
};

/* ---- messages ---- */

static int out_of_memory(const struct config_source *source)
{
	snprintf(source->why, source->size, "%s: out of memory", source->name);
	return -ENOMEM;
}

/* "wanted is a size from ... (hint)" */
static void wanted_text(const struct config_key *key, const char *text, char *ret, size_t size)
{
	const char *hint = text ? config_value_hint(key, text) : NULL;
	_cleanup_fclose_ FILE *to = NULL;

	ret[0] = '\0';
	to = fmemopen(ret, size, "w");
	if (!to)
		return;
	fputs("wanted is ", to);
	config_value_allowed(key, to);
	if (hint)
		fprintf(to, " (%s)", hint);
}

static void list_add(char *list, size_t size, const char *name, size_t n)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%.*s", used ? ", " : "", (int)n, name);
}

/* Names that may follow the prefix: whole names of this level, so that "a.b" counts as "a". */
static void level_names(const struct config_keys *set, const char *prefix, char *ret, size_t size)
{
	size_t skip = strlen(prefix);

	ret[0] = '\0';
	for (unsigned i = 0; i < set->n; i++) {
		const char *name = set->keys[i].name;
		size_t n;

		if (strncmp(name, prefix, skip))
			continue;
		name += skip;
		n = strcspn(name, ".");
		/* keys of a section are neighbours in the table */
		if (i && !strncmp(set->keys[i - 1].name, set->keys[i].name, skip + n) &&
		    set->keys[i - 1].name[skip + n] == '.')
			continue;
		list_add(ret, size, name, n);
	}
}

static int unknown_key(struct reader *r, const struct node *node, const struct config_keys *set, const char *prefix)
{
	struct suggestion suggestion = { .wrong = node->key };
	char allowed[LIST_MAX_BYTES], words[LIST_MAX_BYTES], guess[NAME_MAX_BYTES];
	char *next = words, *word;

	level_names(set, prefix, allowed, sizeof(allowed));
	strcpy(words, allowed);
	while ((word = strsep(&next, ", ")))
		if (*word)
			suggest_from(&suggestion, word);
	/* right key, wrong place */
	for (unsigned i = 0; !suggestion.best && i < config_top_keys.n; i++) {
		const char *name = config_top_keys.keys[i].name, *dot = strrchr(name, '.');

		if (!strcmp(dot ? dot + 1 : name, node->key))
			suggestion.best = name;
	}
	return node_fail(&r->source, node, -EINVAL, "unknown key%s%s;%s allowed here: %s", *set->what ? " " : "",
			 *set->what ? set->what + 1 : "", suggest_text(&suggestion, guess, sizeof(guess)), allowed);
}

/* ---- single values ---- */

static int read_single(struct reader *r, const struct node *node, const struct config_key *key, void *base)
{
	char shown[NODE_SHOWN_MAX], wanted[LIST_MAX_BYTES];
	bool text = node->type == NODE_TEXT && !node->null;
	int err = text ? config_value_read(key, node->text, base) : -EINVAL;

	if (err == -ENOMEM)
		return out_of_memory(&r->source);
	if (!err)
		return 0;
	wanted_text(key, text ? node->text : NULL, wanted, sizeof(wanted));
	return node_fail(&r->source, node, err, "%s: %s", node_shown(node, shown), wanted);
}

/* A list as the one line that config_value_read takes: "[53,5353]". False if an item is no number. */
static bool list_line(const struct node *list, char *ret, size_t size)
{
	bool numbers = true;
	size_t used = 0;

	snprintf(ret, size, "[");
	for (const struct node *node = list->first; node && used + 1 < size; node = node->next) {
		const char *text = node->type == NODE_TEXT && !node->null ? node->text : "?";

		numbers &= *text && !text[strspn(text, "0123456789")];
		used = strlen(ret);
		snprintf(ret + used, size - used, "%s%s", node == list->first ? "" : ",", text);
	}
	used = strlen(ret);
	snprintf(ret + used, size - used, "]");
	return numbers;
}

static int read_ports(struct reader *r, const struct node *list, const struct config_key *key, void *base)
{
	char shown[NODE_SHOWN_MAX], line[NAME_MAX_BYTES], wanted[LIST_MAX_BYTES];
	bool is_list = list->type == NODE_LIST;

	if (list->null)
		return 0;
	if (is_list && list_line(list, line, sizeof(line)) && !config_value_read(key, line, base))
		return 0;
	if (is_list)
		text_shown(line, shown, sizeof(shown));
	wanted_text(key, NULL, wanted, sizeof(wanted));
	return node_fail(&r->source, list, -EINVAL, "%s: %s", is_list ? shown : node_shown(list, shown), wanted);
}

/* ---- events ---- */

static void add_name(const char *name, void *arg)
{
	list_add(arg, LIST_MAX_BYTES, name, strlen(name));
}

static int unknown_sensor(struct reader *r, const struct node *node)
{
	struct suggestion suggestion = { .wrong = node->text };
	char collectors[LIST_MAX_BYTES] = "", guess[NAME_MAX_BYTES], shown[NODE_SHOWN_MAX];

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		if (!sensor_name(i))
			continue;
		suggest_from(&suggestion, collector_name(i));
		suggest_from(&suggestion, sensor_name(i));
	}
	config_each_sensor(UINT64_MAX, add_name, collectors);
	return node_fail(&r->source, node, -EINVAL,
			 "%s: no such collector or sensor;%s collectors are: %s ('tapio check' lists their sensors)",
			 node_shown(node, shown), suggest_text(&suggestion, guess, sizeof(guess)), collectors);
}

static int read_sensors(struct reader *r, const struct node *list)
{
	char shown[NODE_SHOWN_MAX];
	uint64_t events = 0;

	if (list->null)
		return 0;
	if (list->type != NODE_LIST || !list->first)
		return node_fail(&r->source, list, -EINVAL, "%s: wanted is a list of collectors and sensors, as in [%s]",
				 list->type == NODE_LIST ? "an empty list" : node_shown(list, shown), collector_name(1));
	for (const struct node *node = list->first; node; node = node->next) {
		uint64_t own = 0;

		if (node->type != NODE_TEXT || node->null)
			return node_fail(&r->source, node, -EINVAL, "%s: wanted is the name of a collector or sensor",
					 node_shown(node, shown));
		own = config_sensor_events(node->text);
		if (!own)
			return unknown_sensor(r, node);
		events |= config_default_events(own);
	}
	r->config.events = events;
	return 0;
}

static int unknown_event(struct reader *r, const struct node *node)
{
	const struct event_desc *desc = event_desc_by_name(node->key);
	struct suggestion suggestion = { .wrong = node->key };
	char guess[NAME_MAX_BYTES];

	if (desc)
		return node_fail(&r->source, node, -EINVAL, "cannot be switched: it is told whenever something is lost");
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		desc = event_desc_by_type(type);
		if (desc && desc->sensor)
			suggest_from(&suggestion, desc->name);
	}
	return node_fail(&r->source, node, -EINVAL, "no such event;%s 'tapio schema' lists them",
			 suggest_text(&suggestion, guess, sizeof(guess)));
}

static int read_events(struct reader *r, const struct node *map)
{
	char shown[NODE_SHOWN_MAX];

	if (map->null)
		return 0;
	if (map->type != NODE_MAP)
		return node_fail(&r->source, map, -EINVAL, "%s: wanted is a map of events, as in {%s: true}",
				 node_shown(map, shown), event_desc_by_type(TAPIO_EV_PROCESS_FORK)->name);
	for (const struct node *node = map->first; node; node = node->next) {
		const struct event_desc *desc = event_desc_by_name(node->key);
		bool on;

		if (!desc || !desc->sensor)
			return unknown_event(r, node);
		if (node->type != NODE_TEXT || node->null || config_bool_read(node->text, &on))
			return node_fail(&r->source, node, -EINVAL, "%s: wanted is true or false",
					 node_shown(node, shown));
		r->config.events &= ~CONFIG_EVENT(desc->type);
		r->config.events |= on ? CONFIG_EVENT(desc->type) : 0;
	}
	return 0;
}

/* ---- maps and lists ---- */

static int read_keys(struct reader *r, struct node *map, const struct config_keys *set, void *base);

/* Whether the map has only keys of the set, in itself and in its sections. */
static int check_names(struct reader *r, const struct node *map, const struct config_keys *set, const char *prefix)
{
	char name[NAME_MAX_BYTES], section[NAME_MAX_BYTES + 1], shown[NODE_SHOWN_MAX];

	for (const struct node *node = map->first; node; node = node->next) {
		int err = 0;

		snprintf(name, sizeof(name), "%s%s", prefix, node->key);
		/* a dotted key would be a second spelling */
		if (!strchr(node->key, '.') && config_key_find(set, name))
			continue;
		if (strchr(node->key, '.') || !config_key_is_section(set, name))
			return unknown_key(r, node, set, prefix);
		snprintf(section, sizeof(section), "%s.", name);
		if (node->type == NODE_MAP)
			err = check_names(r, node, set, section);
		else if (!node->null)
			err = node_fail(&r->source, node, -EINVAL, "%s: wanted is a map", node_shown(node, shown));
		if (err)
			return err;
	}
	return 0;
}

static int read_rule(struct reader *r, struct node *map, struct config_rule *rule)
{
	bool given = false;
	int err = read_keys(r, map, &config_rule_keys, rule);

	for (unsigned i = 0; i < config_rule_keys.n; i++)
		given |= config_value_given(&config_rule_keys.keys[i], rule);
	if (err || given)
		return err;
	return node_fail(&r->source, map, -EINVAL, "an empty rule would match everything");
}

static int read_sink(struct reader *r, struct node *map, struct config_sink *sink)
{
	const struct config_key *type = &config_sink_keys[0].keys[0];
	const struct config_keys *set;
	struct node *node = node_find(map, type->name);
	char wanted[LIST_MAX_BYTES];
	int err;

	if (!node) {
		wanted_text(type, NULL, wanted, sizeof(wanted));
		return node_fail(&r->source, map, -EINVAL, "'%s' is missing: %s", type->name, wanted);
	}
	err = read_single(r, node, type, sink);
	if (err)
		return err;
	set = &config_sink_keys[sink->type];
	if (config_values_default(set, sink))
		return out_of_memory(&r->source);
	return read_keys(r, map, set, sink);
}

static int read_list(struct reader *r, struct node *list, const struct config_key *key)
{
	bool rules = key->kind == CONFIG_KIND_RULES;
	size_t size = rules ? sizeof(struct config_rule) : sizeof(struct config_sink);
	unsigned *count = (void *)((char *)&r->config + key->count_offset);
	const char *what = rules ? "rules" : "sinks";
	char shown[NODE_SHOWN_MAX];

	if (list->null)
		return 0;
	if (list->type != NODE_LIST)
		return node_fail(&r->source, list, -EINVAL, "%s: wanted is a list of %s", node_shown(list, shown), what);
	if (key->min && !list->first)
		return node_fail(&r->source, list, -EINVAL, "an empty list: at least one of the %s is wanted", what);
	for (*count = 0; *count < key->max; (*count)++)
		memset((char *)&r->config + key->offset + *count * size, 0, size);
	*count = 0;
	for (struct node *node = list->first; node; node = node->next) {
		void *element = (char *)&r->config + key->offset + *count * size;
		int err;

		if (*count == key->max)
			return node_fail(&r->source, node, -EINVAL, "more than %" PRIu64 " %s", key->max, what);
		if (node->type != NODE_MAP)
			return node_fail(&r->source, node, -EINVAL, "%s: wanted is a map, as in {%s}",
					 node_shown(node, shown), rules ? "namespace: shop" : "type: stdout");
		(*count)++; /* what a half-read element holds is freed with the others */
		err = rules ? read_rule(r, node, element) : read_sink(r, node, element);
		if (err)
			return err;
	}
	return 0;
}

static int missing_key(struct reader *r, const struct node *map, const struct config_key *key)
{
	char wanted[LIST_MAX_BYTES];

	wanted_text(key, NULL, wanted, sizeof(wanted));
	return node_fail(&r->source, map, -EINVAL, "'%s' is missing: %s", key->name, wanted);
}

static int read_key(struct reader *r, struct node *node, const struct config_key *key, void *base)
{
	switch (key->kind) {
	case CONFIG_KIND_SENSORS:
		return read_sensors(r, node);
	case CONFIG_KIND_EVENTS:
		return read_events(r, node);
	case CONFIG_KIND_RULES:
	case CONFIG_KIND_SINKS:
		return read_list(r, node, key);
	case CONFIG_KIND_PORTS:
		return read_ports(r, node, key, base);
	default:
		return read_single(r, node, key, base);
	}
}

/* In the order of the table, so that `events` changes what `collectors` chose. */
static int read_keys(struct reader *r, struct node *map, const struct config_keys *set, void *base)
{
	int err = check_names(r, map, set, "");

	for (unsigned i = 0; !err && i < set->n; i++) {
		const struct config_key *key = &set->keys[i];
		struct node *node = node_find(map, key->name);

		if (node)
			err = read_key(r, node, key, base);
		else if (CONFIG_SINGLE(key) && !key->fallback && !(key->flags & CONFIG_OPTIONAL))
			err = missing_key(r, map, key);
	}
	return err;
}

/* ---- what must hold between keys ---- */

static const struct node *element(const struct node *list, unsigned index)
{
	const struct node *node = list ? list->first : NULL;

	while (node && index--)
		node = node->next;
	return node;
}

/* Sinks of one type differ in their path, if they have one. */
static int check_sinks(struct reader *r)
{
	const struct node *list = node_find(r->root, "sinks");
	const struct config *c = &r->config;

	for (unsigned i = 0; i < c->nsinks; i++) {
		const struct config_sink *sink = &c->sinks[i];
		const struct node *node = element(list, i);

		for (unsigned k = 0; k < i; k++) {
			if (c->sinks[k].type != sink->type || (sink->path && strcmp(c->sinks[k].path, sink->path)))
				continue;
			return node_fail(&r->source, node, -EINVAL, "the same as sinks[%u] in line %u: %s", k,
					 element(list, k)->line, sink->path ? "two sinks cannot write one file" :
									      "there is one standard output");
		}
		if (sink->path && c->socket && !strcmp(sink->path, c->socket))
			return node_fail(&r->source, node, -EINVAL, "the path of 'socket'");
	}
	return 0;
}

static int check_memory(struct reader *r)
{
	static const char *const keys[] = { "limits.memory", "buffers.bulk", "buffers.control", "sinks" };
	const struct node *node = NULL;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		bytes += r->config.ring_bytes[i];
	for (unsigned i = 0; i < r->config.nsinks; i++)
		bytes += r->config.sinks[i].queue_bytes;
	if (bytes <= r->config.memory_bytes)
		return 0;
	for (unsigned i = 0; !node && i < COUNT_OF(keys); i++)
		node = node_find(r->root, keys[i]);
	return node_fail(&r->source, node, -EINVAL,
			 "buffers and queues alone take %" PRIu64 "KiB, and limits.memory is %" PRIu64 "KiB",
			 (bytes + 1023) >> 10, r->config.memory_bytes >> 10);
}

static int check_events(struct reader *r)
{
	const struct node *node = node_find(r->root, "events");

	if (r->config.events)
		return 0;
	return node_fail(&r->source, node ? node : node_find(r->root, "collectors"), -EINVAL,
			 "every event is switched off: there is nothing to watch");
}

static int check_ports(struct reader *r)
{
	uint16_t ports[TAPIO_DNS_PORTS_MAX];

	if (!config_dns_ports(&r->config, ports))
		return 0;
	return node_fail(&r->source, node_find(r->root, "dns.mdns"), -EINVAL,
			 "there is no room for its port: dns.ports has %d already", TAPIO_DNS_PORTS_MAX);
}

/* ---- the whole ---- */

int config_dns_ports(const struct config *config, uint16_t ret[TAPIO_DNS_PORTS_MAX])
{
	unsigned i = 0;

	memcpy(ret, config->dns_ports, sizeof(config->dns_ports));
	if (!config->dns_mdns)
		return 0;
	while (i < TAPIO_DNS_PORTS_MAX && ret[i] && ret[i] != CONFIG_MDNS_PORT)
		i++;
	if (i == TAPIO_DNS_PORTS_MAX)
		return -ENOSPC;
	ret[i] = CONFIG_MDNS_PORT;
	return 0;
}

int config_defaults(struct config *ret)
{
	struct config config = { .events = config_default_events(UINT64_MAX), .nsinks = 1 };

	if (config_values_default(&config_top_keys, &config) ||
	    config_values_default(&config_sink_keys[CONFIG_SINK_STDOUT], &config.sinks[0])) {
		config_free(&config);
		return -ENOMEM;
	}
	*ret = config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_values_free(&config_top_keys, config);
	for (unsigned i = 0; i < config->ninclude; i++)
		config_values_free(&config_rule_keys, &config->include[i]);
	for (unsigned i = 0; i < config->nexclude; i++)
		config_values_free(&config_rule_keys, &config->exclude[i]);
	for (unsigned i = 0; i < config->nsinks; i++)
		config_values_free(&config_sink_keys[config->sinks[i].type], &config->sinks[i]);
	memset(config, 0, sizeof(*config));
}

static int read_tree(struct reader *r)
{
	char shown[NODE_SHOWN_MAX];
	int err = 0;

	if (!r->root || r->root->null)
		return 0;
	if (r->root->type != NODE_MAP)
		return node_fail(&r->source, r->root, -EINVAL, "%s: wanted is a map of keys, as in 'listen: off'",
				 node_shown(r->root, shown));
	err = read_keys(r, r->root, &config_top_keys, &r->config);
	if (!err)
		err = check_events(r);
	if (!err)
		err = check_sinks(r);
	if (!err)
		err = check_ports(r);
	return err ? err : check_memory(r);
}

int config_parse(const char *name, const char *text, size_t length, struct config *ret, char *why, size_t size)
{
	struct reader r = { .source = { .name = name, .why = why, .size = size } };
	int err = 0;

	if (length > CONFIG_FILE_MAX)
		err = node_fail(&r.source, NULL, -EFBIG, "more than %d bytes", CONFIG_FILE_MAX);
	if (!err && config_defaults(&r.config))
		err = out_of_memory(&r.source);
	if (!err)
		err = node_parse(&r.source, text, length, &r.root);
	if (!err)
		err = read_tree(&r);
	node_free(r.root);
	if (err)
		config_free(&r.config);
	else
		*ret = r.config;
	return err;
}

int config_set(struct config *config, const char *name, const char *value, char *why, size_t size)
{
	const struct config_key *key = config_key_find(&config_top_keys, name);
	char shown[NODE_SHOWN_MAX], wanted[LIST_MAX_BYTES];
	int err = key && CONFIG_SINGLE(key) ? config_value_read(key, value, config) : -ENOENT;

	if (err == -EINVAL) {
		wanted_text(key, value, wanted, sizeof(wanted));
		text_shown(value, shown, sizeof(shown));
		snprintf(why, size, "'%s': %s", shown, wanted);
	} else if (err) {
		snprintf(why, size, "%s", err == -ENOMEM ? "out of memory" : "no such key with a single value");
	}
	return err;
}
