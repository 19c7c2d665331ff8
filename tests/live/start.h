/* SPDX-License-Identifier: Apache-2.0 */
/* One start of the reporting program in some odd way, and its records. */
#ifndef TESTS_LIVE_START_H
#define TESTS_LIVE_START_H

#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

#define START_ARGS_MAX 2048

/* What `start` returns where the machine does not permit it: the case is skipped by name. */
#define START_NOT_HERE 99

struct start {
	const struct live *l;
	char path[PATH_MAX];
	char cwd[2 * PATH_MAX]; /* what the working directory must be, where /proc cannot tell */
	char *argv[START_ARGS_MAX + 1];
	unsigned argc;
	char given[256 << 10]; /* the arguments, NUL after each */
	size_t given_bytes;
};

struct start_case {
	const char *name;
	void (*prepare)(struct start *s);
	/* In a child: becomes the program, or returns an errno. NULL: plain execve. */
	int (*start)(struct start *s);
	/* Corrects what the program could not know. False: nothing more is to be compared. */
	bool (*check)(const struct live *l, const struct event_view *view, struct truth *t, const struct start *s);
	bool grandchild; /* the child starts it in a process of its own */
};

void start_add_arg(struct start *s, const char *text);
/* Another name of the program, in the test's directory. */
void start_name(struct start *s, const char *name);
/* execve; returns an errno. */
int start_become(const struct start *s);

/* In one session of the collector. */
void start_case(struct live *l, const struct start_case *c);

/* What most cases are prepared by: a name without surprises, four arguments. */
void start_plain(struct start *s);

#endif
