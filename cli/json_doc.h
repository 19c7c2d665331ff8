/* SPDX-License-Identifier: Apache-2.0 */
/* How the reports of `tapio check` write JSON. */
#ifndef CLI_JSON_DOC_H
#define CLI_JSON_DOC_H

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "export/json.h"

/* The document is small and made once: commas are put before every member but the first. */
static inline void comma(struct buf *b)
{
	char last = b->length ? b->data[b->length - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		buf_addc(b, ',');
}

static inline void key(struct buf *b, const char *name)
{
	comma(b);
	json_quote(b, name, strlen(name));
	buf_addc(b, ':');
}

static inline void text(struct buf *b, const char *name, const char *value)
{
	key(b, name);
	if (value)
		json_quote(b, value, strlen(value));
	else
		buf_adds(b, "null");
}

static inline void truth(struct buf *b, const char *name, bool value)
{
	key(b, name);
	buf_adds(b, value ? "true" : "false");
}

static inline void number(struct buf *b, const char *name, size_t value)
{
	key(b, name);
	buf_printf(b, "%zu", value);
}

static inline void item(struct buf *b, const char *value)
{
	comma(b);
	json_quote(b, value, strlen(value));
}

#endif
