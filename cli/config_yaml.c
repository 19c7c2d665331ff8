/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "export/utf8.h"

struct tree {
	const struct config_source *source;
	const char *text;
	size_t length;
	yaml_parser_t parser;
	unsigned nodes;
};

#define _cleanup_event_ __attribute__((cleanup(yaml_event_delete)))

/* ---- messages ---- */

void text_shown(const char *text, char *ret, size_t size)
{
	size_t left = strlen(text), used = 0;

	while (left) {
		uint32_t cp;
		unsigned n = utf8_decode(text, left, &cp);

		if (used + 8 > size) { /* room for the next and for the dots */
			memcpy(ret + used, "...", 3);
			used += 3;
			break;
		}
		if (n && utf8_printable(cp)) {
			memcpy(ret + used, text, n);
			used += n;
		} else {
			ret[used++] = '?';
		}
		n = n ? n : 1;
		text += n;
		left -= n;
	}
	ret[used] = '\0';
}

const char *node_shown(const struct node *node, char ret[NODE_SHOWN_MAX])
{
	if (node->type == NODE_LIST)
		return "a list";
	if (node->type == NODE_MAP)
		return "a map";
	if (node->null)
		return "no value";
	ret[0] = '\'';
	text_shown(node->text, ret + 1, NODE_SHOWN_MAX - 2);
	return strcat(ret, "'");
}

/* "sinks[1].path" of the node; "" of the root. */
static void node_path(const struct node *node, char *ret, size_t size)
{
	char name[NODE_SHOWN_MAX];
	size_t used;

	ret[0] = '\0';
	if (!node || !node->parent)
		return;
	node_path(node->parent, ret, size);
	used = strlen(ret);
	if (node->parent->type == NODE_LIST) {
		snprintf(ret + used, size - used, "[%u]", node->index);
		return;
	}
	text_shown(node->key, name, sizeof(name));
	snprintf(ret + used, size - used, "%s%s", used ? "." : "", name);
}

static int fail_at(const struct config_source *source, const struct node *node, unsigned line, int err,
		   const char *fmt, va_list ap)
{
	char path[NODE_SHOWN_MAX * NODE_DEPTH_MAX], text[NODE_MESSAGE_MAX];

	node_path(node, path, sizeof(path));
	vsnprintf(text, sizeof(text), fmt, ap);
	snprintf(source->why, source->size, "%s:%u: %s%s%s", source->name, line, path, *path ? ": " : "", text);
	return err;
}

int node_fail(const struct config_source *source, const struct node *node, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_at(source, node, node ? node->line : 1, err, fmt, ap);
	va_end(ap);
	return err;
}

static int refuse(const struct tree *tree, const struct node *node, const yaml_mark_t *mark, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(const struct tree *tree, const struct node *node, const yaml_mark_t *mark, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_at(tree->source, node, (unsigned)mark->line + 1, -EINVAL, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int out_of_memory(const struct tree *tree)
{
	snprintf(tree->source->why, tree->source->size, "%s: out of memory", tree->source->name);
	return -ENOMEM;
}

/* ---- what libyaml does not take ---- */

/* The end of a file counts as its last line, with and without a newline. */
static size_t last_line(const struct tree *tree)
{
	size_t end = tree->length && tree->text[tree->length - 1] == '\n' ? tree->length - 1 : tree->length, line = 0;

	for (size_t i = 0; i < end; i++)
		line += tree->text[i] == '\n';
	return line;
}

static unsigned line_of_offset(const struct tree *tree, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset && i < tree->length; i++)
		line += tree->text[i] == '\n';
	return line;
}

/* Tabs are what most often goes wrong, and libyaml's words for it do not tell. */
static bool line_begins_with_tab(const struct tree *tree, unsigned line)
{
	const char *p = tree->text, *end = p + tree->length;

	while (p && --line) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	while (p && p < end && *p == ' ')
		p++;
	return p && p < end && *p == '\t';
}

static int not_yaml(const struct tree *tree)
{
	const yaml_parser_t *p = &tree->parser;
	yaml_mark_t mark = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return out_of_memory(tree);
	if (p->error == YAML_READER_ERROR) {
		mark.line = line_of_offset(tree, p->problem_offset) - 1;
		if (p->problem_value > 0)
			return refuse(tree, NULL, &mark, "not text in UTF-8: %s: 0x%x", p->problem, p->problem_value);
		return refuse(tree, NULL, &mark, "not text in UTF-8: %s", p->problem);
	}
	if (mark.line > last_line(tree))
		mark.line = last_line(tree);
	if (line_begins_with_tab(tree, (unsigned)mark.line + 1))
		return refuse(tree, NULL, &mark, "not YAML: a tab cannot indent: use spaces");
	if (p->context && p->context_mark.line < mark.line)
		return refuse(tree, NULL, &mark, "not YAML: %s %s that begins in line %zu", p->problem, p->context,
			      p->context_mark.line + 1);
	return refuse(tree, NULL, &mark, "not YAML: %s%s%s", p->problem, p->context ? " " : "",
		      p->context ? p->context : "");
}

static int next_event(struct tree *tree, yaml_event_t *ret)
{
	return yaml_parser_parse(&tree->parser, ret) ? 0 : not_yaml(tree);
}

/* ---- the tree ---- */

static int parse_node(struct tree *tree, const yaml_event_t *event, struct node *node, unsigned depth);

void node_free(struct node *node)
{
	struct node *child, *next;

	if (!node)
		return;
	for (child = node->first; child; child = next) {
		next = child->next;
		node_free(child);
	}
	free(node->key);
	free(node->text);
	free(node);
}

/* A child at the end of its parent, which owns it; without a parent, a root. */
static int node_add(struct tree *tree, struct node *parent, const yaml_mark_t *mark, struct node **ret)
{
	struct node *node;

	if (++tree->nodes > NODE_COUNT_MAX)
		return refuse(tree, parent, mark, "more than %d values in one file", NODE_COUNT_MAX);
	node = calloc(1, sizeof(*node));
	if (!node)
		return out_of_memory(tree);
	*ret = node;
	node->line = (unsigned)mark->line + 1;
	node->parent = parent;
	if (!parent)
		return 0;
	node->index = parent->last ? parent->last->index + 1 : 0;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return 0;
}

static int take_text(struct tree *tree, const yaml_event_t *event, const struct node *node, char **ret)
{
	const char *value = (const char *)event->data.scalar.value;

	if (event->data.scalar.tag)
		return refuse(tree, node, &event->start_mark, "tags, as '!x' or '!!x', are not used here: remove it");
	if (memchr(value, '\0', event->data.scalar.length))
		return refuse(tree, node, &event->start_mark, "a text with a NUL in it");
	*ret = strdup(value);
	return *ret ? 0 : out_of_memory(tree);
}

static bool is_null(const yaml_event_t *event)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp((const char *)event->data.scalar.value, words[i]))
			return true;
	return false;
}

/* Takes the key into `member`, whose parent is the map. */
static int take_key(struct tree *tree, const yaml_event_t *event, struct node *member)
{
	struct node *map = member->parent;
	int err;

	if (event->type == YAML_ALIAS_EVENT)
		return refuse(tree, map, &event->start_mark, "aliases, as '*x', are not used here: write the value out");
	if (event->type != YAML_SCALAR_EVENT)
		return refuse(tree, map, &event->start_mark, "a key is a word, not a list or a map");
	if (event->data.scalar.anchor)
		return refuse(tree, map, &event->start_mark, "anchors, as '&x', are not used here: remove it");
	err = take_text(tree, event, map, &member->key);
	if (err)
		return err;
	if (member->index >= NODE_KEYS_MAX)
		return refuse(tree, map, &event->start_mark, "more than %d keys", NODE_KEYS_MAX);
	for (const struct node *other = map->first; other != member; other = other->next)
		if (!strcmp(other->key, member->key))
			return refuse(tree, member, &event->start_mark,
				      "given twice: it is in line %u already", other->line);
	return 0;
}

static int parse_map(struct tree *tree, struct node *map, unsigned depth)
{
	for (;;) {
		_cleanup_event_ yaml_event_t key = {}, value = {};
		struct node *member;
		int err = next_event(tree, &key);

		if (err || key.type == YAML_MAPPING_END_EVENT)
			return err;
		err = node_add(tree, map, &key.start_mark, &member);
		if (!err)
			err = take_key(tree, &key, member);
		if (!err)
			err = next_event(tree, &value);
		if (!err)
			err = parse_node(tree, &value, member, depth);
		if (err)
			return err;
	}
}

static int parse_list(struct tree *tree, struct node *list, unsigned depth)
{
	for (;;) {
		_cleanup_event_ yaml_event_t event = {};
		struct node *element;
		int err = next_event(tree, &event);

		if (err || event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		err = node_add(tree, list, &event.start_mark, &element);
		if (!err)
			err = parse_node(tree, &event, element, depth);
		if (err)
			return err;
	}
}

static int refuse_decoration(struct tree *tree, const yaml_event_t *event, const struct node *node,
			     const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(tree, node, &event->start_mark, "anchors, as '&x', are not used here: remove it");
	if (tag)
		return refuse(tree, node, &event->start_mark, "tags, as '!x' or '!!x', are not used here: remove it");
	return 0;
}

static int parse_collection(struct tree *tree, const yaml_event_t *event, struct node *node, unsigned depth)
{
	bool map = event->type == YAML_MAPPING_START_EVENT;
	int err = map ? refuse_decoration(tree, event, node, event->data.mapping_start.anchor,
					  event->data.mapping_start.tag) :
			refuse_decoration(tree, event, node, event->data.sequence_start.anchor,
					  event->data.sequence_start.tag);

	if (err)
		return err;
	if (depth == NODE_DEPTH_MAX)
		return refuse(tree, node, &event->start_mark, "more than %d lists and maps in each other",
			      NODE_DEPTH_MAX);
	node->type = map ? NODE_MAP : NODE_LIST;
	return map ? parse_map(tree, node, depth + 1) : parse_list(tree, node, depth + 1);
}

static int parse_node(struct tree *tree, const yaml_event_t *event, struct node *node, unsigned depth)
{
	int err;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return refuse(tree, node, &event->start_mark, "aliases, as '*x', are not used here: write the value out");
	case YAML_SCALAR_EVENT:
		node->null = is_null(event);
		err = refuse_decoration(tree, event, node, event->data.scalar.anchor, NULL);
		return err ? err : take_text(tree, event, node, &node->text);
	default:
		return parse_collection(tree, event, node, depth);
	}
}

/* One document, or none. */
static int parse_stream(struct tree *tree, struct node **root)
{
	for (;;) {
		_cleanup_event_ yaml_event_t event = {};
		int err = next_event(tree, &event);

		if (err || event.type == YAML_STREAM_END_EVENT)
			return err;
		if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT)
			continue;
		if (*root)
			return refuse(tree, NULL, &event.start_mark,
				      "a second document begins ('---'): a configuration is one");
		if (event.type == YAML_DOCUMENT_START_EVENT)
			continue;
		err = node_add(tree, NULL, &event.start_mark, root);
		if (!err)
			err = parse_node(tree, &event, *root, 0);
		if (err)
			return err;
	}
}

int node_parse(const struct config_source *source, const char *text, size_t length, struct node **ret)
{
	struct tree tree = { .source = source, .text = text, .length = length };
	struct node *root = NULL;
	int err;

	if (!yaml_parser_initialize(&tree.parser))
		return out_of_memory(&tree);
	/* libyaml would take UTF-16 too, and then lines and columns are not those of the bytes */
	yaml_parser_set_encoding(&tree.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&tree.parser, (const unsigned char *)text, length);
	err = parse_stream(&tree, &root);
	yaml_parser_delete(&tree.parser);
	if (err) {
		node_free(root);
		return err;
	}
	*ret = root;
	return 0;
}

struct node *node_find(struct node *map, const char *name)
{
	while (map && map->type == NODE_MAP) {
		size_t n = strcspn(name, ".");
		struct node *member = map->first;

		while (member && (strncmp(member->key, name, n) || member->key[n]))
			member = member->next;
		if (!member || !name[n])
			return member;
		map = member;
		name += n + 1;
	}
	return NULL;
}
