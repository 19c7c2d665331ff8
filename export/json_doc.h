/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents that are small and made now and then: `tapio check --json`, the agent's status. Commas
 * are put before every member and item but the first of its object or list.
 */
#ifndef EXPORT_JSON_DOC_H
#define EXPORT_JSON_DOC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "export/json.h"

static inline void doc_comma(struct buf *b)
{
	char last = b->length ? b->data[b->length - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_addc(b, ',');
}

static inline void doc_key(struct buf *b, const char *name)
{
	doc_comma(b);
	json_quote(b, name, strlen(name));
	buf_addc(b, ':');
}

/* NULL becomes null. */
static inline void doc_text(struct buf *b, const char *name, const char *value)
{
	doc_key(b, name);
	if (value)
		json_quote(b, value, strlen(value));
	else
		buf_adds(b, "null");
}

static inline void doc_bool(struct buf *b, const char *name, bool value)
{
	doc_key(b, name);
	buf_adds(b, value ? "true" : "false");
}

static inline void doc_number(struct buf *b, const char *name, uint64_t value)
{
	doc_key(b, name);
	buf_printf(b, "%llu", (unsigned long long)value);
}

static inline void doc_item(struct buf *b, const char *value)
{
	doc_comma(b);
	json_quote(b, value, strlen(value));
}

/* '{' or '['; name NULL: an item of a list. The caller appends the other bracket. */
static inline void doc_begin(struct buf *b, const char *name, char bracket)
{
	if (name)
		doc_key(b, name);
	else
		doc_comma(b);
	buf_addc(b, bracket);
}

#endif
