/* SPDX-License-Identifier: Apache-2.0 */
/* How redact.c finds secrets: three ways, each of which marks bytes of the same command line. */
#ifndef PIPELINE_SECRET_H
#define PIPELINE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SECRET_AHEAD 64

/*
 * NUL-separated arguments, and for each byte of them whether it is secret. Whoever looks for
 * something goes on behind what it has marked, and looks ahead SECRET_AHEAD bytes at most without
 * marking: arguments are chosen by anybody, and time must not grow with their square.
 */
struct secrets {
	const char *s;
	size_t n;
	char *marks;
	unsigned count; /* of marks made */
	size_t end;     /* of the one that reaches farthest */
};

static inline void secret_mark(struct secrets *secrets, size_t from, size_t to)
{
	if (from >= to)
		return;
	memset(secrets->marks + from, 1, to - from);
	secrets->count++;
	secrets->end = to > secrets->end ? to : secrets->end;
}

/* What the name of a flag, variable, header or JSON key says about its value. */
enum secret_name {
	NAME_PLAIN,
	NAME_SECRET,
	NAME_SECRET_SWITCH, /* --no-password: names a secret, and the next argument is not it */
};

/* Any characters; those that are no letters or digits separate words, and so does camelCase. */
enum secret_name secret_name(const char *name, size_t n);

/* The end of the argument that begins at `from`: where its NUL is or would be. */
static inline size_t secret_arg_end(const struct secrets *secrets, size_t from)
{
	const char *end = memchr(secrets->s + from, '\0', secrets->n - from);

	return end ? (size_t)(end - secrets->s) : secrets->n;
}

enum { CLASS_SPACE = 1, CLASS_SHELL = 2, CLASS_NAME = 4 };

/* CLASS_SHELL ends a shell's word, CLASS_NAME may be in a name. */
extern const unsigned char secret_class[256];

static inline bool secret_is(char c, unsigned classes)
{
	return secret_class[(unsigned char)c] & classes;
}

/* Where a word of a shell ends that goes on at `at`: quotes and backslashes are honoured. */
size_t secret_shell_end(const struct secrets *secrets, size_t at, size_t end);

/* NAME=value, "name": "value", Name: value, user:password@ in URLs. */
void secret_values(struct secrets *secrets);
void secret_urls(struct secrets *secrets);

/* --flag value, and short flags of programs that are known to take a secret. */
void secret_flags(struct secrets *secrets);

#endif
