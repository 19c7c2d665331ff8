/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of YAML that a configuration needs, as a tree of nodes that know their lines: maps, lists
 * and text, from one document. What serves attacks or surprises is refused: anchors and aliases,
 * tags, keys that are not text, duplicate keys, NUL, deep nesting.
 */
#ifndef CLI_CONFIG_YAML_H
#define CLI_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#define NODE_DEPTH_MAX 8    /* maps and lists in each other */
#define NODE_COUNT_MAX 8192 /* nodes of one tree */
#define NODE_KEYS_MAX 256   /* keys of one map */
#define NODE_SHOWN_MAX 80   /* bytes of a value in a message */
#define NODE_MESSAGE_MAX 768 /* bytes of a message after file, line and key */

enum node_type { NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
	enum node_type type;
	bool null;     /* TEXT: no value: unquoted and empty, "~" or "null" */
	unsigned line; /* from 1; of a map's member that of its key */
	unsigned index; /* in a list, from 0 */
	char *key;      /* in a map */
	char *text;     /* TEXT: UTF-8 without NUL */
	struct node *parent, *next, *first, *last;
};

/* Where messages go: "NAME:LINE: KEY: what". */
struct config_source {
	const char *name;
	char *why;
	size_t size;
};

/* *ret is the document's node, NULL if there is none. 0, -EINVAL or -ENOMEM with a message. */
int node_parse(const struct config_source *source, const char *text, size_t length, struct node **ret);
void node_free(struct node *node);

/* The member of that name, which may be dotted; NULL if there is none. */
struct node *node_find(struct node *map, const char *name);

/* Returns `err`, after a message that names the line and, as in "sinks[1].path", the key. */
int node_fail(const struct config_source *source, const struct node *node, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The value in quotes, cut and without control characters, or "a list", "a map", "no value". */
const char *node_shown(const struct node *node, char ret[NODE_SHOWN_MAX]);

/* Copies text for a message in the same way, without quotes. */
void text_shown(const char *text, char *ret, size_t size);

#endif
