/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/live/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/exec_truth.h"

void start_add_arg(struct start *s, const char *text)
{
	size_t n = strlen(text) + 1;

	REQUIRE(s->argc < START_ARGS_MAX && s->given_bytes + n <= sizeof(s->given), "too many arguments");
	s->argv[s->argc++] = memcpy(s->given + s->given_bytes, text, n);
	s->given_bytes += n;
}

void start_name(struct start *s, const char *name)
{
	snprintf(s->path, sizeof(s->path), "%s/%s", s->l->dir, name);
	REQUIRE(!link(s->l->program, s->path) || errno == EEXIST, "%s: %s", s->path, strerror(errno));
}

/*
 * A program has its arguments at hand when it calls execve. A child that was just forked has not: on
 * arm64 processors without a hardware access flag its first touch of each page faults, and a BPF
 * program that comes before it cannot read there.
 */
static void touch(const struct start *s)
{
	const volatile char *bytes = (const char *)s;

	for (size_t i = 0; i < sizeof(*s); i += 64)
		(void)bytes[i];
}

int start_become(const struct start *s)
{
	touch(s);
	execve(s->path, s->argv, stimulus_report);
	return errno;
}

void start_plain(struct start *s)
{
	start_name(s, "plain");
	start_add_arg(s, s->path);
	start_add_arg(s, "two words");
	start_add_arg(s, "");
	start_add_arg(s, "last");
}

struct attempt {
	const struct start_case *c;
	struct start *s;
};

static int in_child(void *arg)
{
	struct attempt *a = arg;

	touch(a->s);
	return a->c->start ? a->c->start(a->s) : start_become(a->s);
}

static void compare(struct live *l, const struct start_case *c, const struct start *s, struct truth *truth)
{
	const struct event_view *view = live_one(l, TAPIO_EV_PROCESS_EXEC, truth->pid);

	CHECK(!live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, truth->pid), "%s: succeeded, reported as failed", l->name);
	live_one(l, TAPIO_EV_PROCESS_EXIT, truth->pid);
	if (view && (!c->check || c->check(l, view, truth, s)))
		expect_exec(l, view, truth, s->given, s->given_bytes);
}

void start_case(struct live *l, const struct start_case *c)
{
	static struct start s;
	static struct truth truth;
	struct attempt a = { c, &s };
	struct ended ended;

	live_about(l, c->name);
	memset(&s, 0, sizeof(s));
	s.l = l;
	c->prepare(&s);
	ended = child_run(in_child, &a);
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == START_NOT_HERE) {
		printf("    skipped: %s: this machine does not permit it\n", l->name);
		return;
	}
	CHECK(!ended.status, "%s: wait status %#x", l->name, ended.status);
	CHECK(truth_take(&truth), "%s: the program did not report", l->name);
	test_stop_if_failed();
	CHECK(c->grandchild != (truth.pid == ended.pid), "%s: pid %d, child's pid %d", l->name, truth.pid, ended.pid);
	live_drain(l);
	compare(l, c, &s, &truth);
}
