/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for a terminal, cut at its width.
 *
 * Whatever is put on it, nothing can steer the terminal: control characters, invisible characters
 * and those that turn the direction of text appear as in bash's $'...': \n, \x1b, \u202e.
 */
#ifndef EXPORT_LINE_H
#define EXPORT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

#define STYLE_RESET "\x1b[0m"
#define STYLE_BOLD "\x1b[1m"
#define STYLE_DIM "\x1b[2m"
#define STYLE_FAILURE "\x1b[1;31m"

/* A line in the making, and how much of the terminal's width it has taken. */
struct line {
	struct buf *out;
	size_t start;
	size_t mark; /* where the text must end to leave one column for the "…" */
	unsigned columns; /* taken */
	unsigned limit;
	bool cut;
	bool colour;
};

/* width in columns, 0: without a limit. */
struct line line_begin(struct buf *out, unsigned width, bool colour);

/* Takes spaces off the end and adds the newline. The line is left out whole if `out` refused. */
void line_end(struct line *line);

/* One of STYLE_*; nothing without colour. */
void line_style(struct line *line, const char *style);

/* Text of our own: printable ASCII. */
void line_ascii(struct line *line, const char *s);

/* Spaces up to that column. */
void line_pad(struct line *line, unsigned column);

/* Any bytes. Those in `meta` get a backslash. */
void line_text(struct line *line, const char *s, size_t n, const char *meta);

/* Any bytes, quoted as a shell needs it to take them for one word. */
void line_word(struct line *line, const char *s, size_t n);

#endif
