/* SPDX-License-Identifier: Apache-2.0 */
#include "export/line.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "export/utf8.h"

struct line line_begin(struct buf *out, unsigned width, bool colour)
{
	return (struct line){ .out = out,
			      .start = out->length,
			      .mark = out->length,
			      .limit = width ? width : UINT_MAX,
			      .colour = colour };
}

void line_end(struct line *line)
{
	struct buf *out = line->out;

	while (out->length > line->start && out->data[out->length - 1] == ' ')
		out->length--;
	if (line->colour)
		buf_adds(out, STYLE_RESET);
	buf_addc(out, '\n');
	if (out->refused)
		out->length = line->start; /* an incomplete line would be worse than none */
}

void line_style(struct line *line, const char *style)
{
	if (line->colour && !line->cut)
		buf_adds(line->out, style);
}

/* The only way for text onto the line. `s` is harmless and takes that many columns. */
static void line_add(struct line *line, const char *s, size_t n, unsigned columns)
{
	if (line->cut)
		return;
	if (columns > line->limit - line->columns) {
		line->out->length = line->mark;
		buf_adds(line->out, "\xe2\x80\xa6");
		line->cut = true;
		return;
	}
	buf_add(line->out, s, n);
	line->columns += columns;
	if (line->columns < line->limit)
		line->mark = line->out->length;
}

void line_ascii(struct line *line, const char *s)
{
	for (; *s && !line->cut; s++)
		line_add(line, s, 1, 1);
}

void line_pad(struct line *line, unsigned column)
{
	while (line->columns < column && !line->cut)
		line_add(line, " ", 1, 1);
}

static void line_escape(struct line *line, uint32_t cp, bool byte)
{
	char escape[16];

	if (cp == '\n' || cp == '\t' || cp == '\r')
		snprintf(escape, sizeof(escape), "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
	else if (byte || cp < 0x80)
		snprintf(escape, sizeof(escape), "\\x%02x", (unsigned)cp);
	else
		snprintf(escape, sizeof(escape), cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
	/* whole or not at all: half an escape would read as another one */
	line_add(line, escape, strlen(escape), (unsigned)strlen(escape));
}

void line_text(struct line *line, const char *s, size_t n, const char *meta)
{
	uint32_t cp = 0;
	unsigned length;

	for (; n && !line->cut; s += length, n -= length) {
		length = utf8_decode(s, n, &cp);
		if (!length) {
			length = 1;
			line_escape(line, (unsigned char)*s, true);
		} else if (!utf8_printable(cp)) {
			line_escape(line, cp, false);
		} else {
			if (length == 1 && strchr(meta, *s))
				line_add(line, "\\", 1, 1);
			line_add(line, s, length, utf8_columns(cp));
		}
	}
}

enum quoting { QUOTE_NOT, QUOTE_PLAIN, QUOTE_ESCAPED };

/* How a shell must see it quoted to take it for one word. */
static enum quoting quoting_of(const char *s, size_t n)
{
	enum quoting need = n ? QUOTE_NOT : QUOTE_PLAIN;
	uint32_t cp = 0;
	unsigned length;

	for (; n; s += length, n -= length) {
		length = utf8_decode(s, n, &cp);
		if (!length || !utf8_printable(cp) || cp == '\'')
			return QUOTE_ESCAPED;
		if (length > 1 || (*s | 0x20) - 'a' + 0u < 26 || *s - '0' + 0u < 10)
			continue;
		if (!strchr("_@%+=:,./-", *s))
			need = QUOTE_PLAIN;
	}
	return need;
}

void line_word(struct line *line, const char *s, size_t n)
{
	switch (quoting_of(s, n)) {
	case QUOTE_NOT:
		line_text(line, s, n, "");
		break;
	case QUOTE_PLAIN:
		line_ascii(line, "'");
		line_text(line, s, n, "");
		line_ascii(line, "'");
		break;
	case QUOTE_ESCAPED:
		line_ascii(line, "$'");
		line_text(line, s, n, "\\'");
		line_ascii(line, "'");
		break;
	}
}
