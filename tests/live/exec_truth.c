/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/live/exec_truth.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* What the abi tiers say of their arguments: 40 of 511 bytes. */
enum { DERIVED_ARGS = 40, DERIVED_ARG_BYTES = 511, DERIVED_BYTES = 4096 };

struct comparison {
	const struct live *l;
	const struct event_view *view;
	const struct truth *truth;
	const char *given;
	size_t given_bytes;
};

enum how { AS_U32, AS_TICKS, AS_TEXT, AS_PATH, AS_EXE, AS_ARGS, AS_TRUNCATED, AS_CAPS, AS_CGROUP, AS_LEGACY };

#define ROW(field, how, member) { field, how, offsetof(struct truth, member) }

static const struct row {
	const char *field;
	enum how how;
	size_t at; /* in struct truth */
} rows[] = {
	ROW("process.pid", AS_U32, pid),
	ROW("process.tid", AS_U32, pid), /* also when another thread than the first called execve */
	ROW("process.executable.name", AS_TEXT, comm),
	ROW("cgroup.id", AS_CGROUP, pid),
	ROW("cgroup.legacy_id", AS_LEGACY, pid),
	ROW("process.parent_pid", AS_U32, parent_pid),
	ROW("process.executable.path", AS_EXE, exe),
	ROW("process.command_args", AS_ARGS, args),
	ROW("process.args_count", AS_U32, argc),
	ROW("process.args.size", AS_U32, args_size),
	ROW("process.args.truncated", AS_TRUNCATED, args_size),
	ROW("process.exec.filename", AS_TEXT, filename),
	ROW("process.working_directory", AS_PATH, cwd),
	ROW("process.creation.time", AS_TICKS, start_ticks),
	ROW("process.parent.creation.time", AS_TICKS, parent_start_ticks),
	ROW("process.vpid", AS_U32, vpid),
	ROW("process.user.id", AS_U32, euid),
	ROW("process.real_user.id", AS_U32, uid),
	ROW("process.group.id", AS_U32, egid),
	ROW("process.real_group.id", AS_U32, gid),
	ROW("process.linux.capabilities.effective", AS_CAPS, cap_effective),
	ROW("process.linux.capabilities.permitted", AS_CAPS, cap_permitted),
	ROW("process.linux.namespace.pid", AS_U32, pid_ns),
	ROW("process.linux.namespace.mnt", AS_U32, mnt_ns),
	ROW("process.linux.namespace.net", AS_U32, net_ns),
	ROW("process.linux.namespace.user", AS_U32, user_ns),
	ROW("process.linux.namespace.cgroup", AS_U32, cgroup_ns),
};

/* How many of the given arguments a derived record must have in full, and of which it has a part. */
static bool derived_is_whole(const struct comparison *c)
{
	size_t at = 0, n = 0;

	while (at < c->given_bytes) {
		size_t length = strlen(c->given + at);

		if (++n > DERIVED_ARGS - 1 || length > DERIVED_ARG_BYTES - 1)
			return false;
		at += length + 1;
	}
	return at < DERIVED_BYTES;
}

/* Each argument that came is the beginning of the one given; all but the last are whole. */
static bool derived_is_prefix(const struct comparison *c, struct bytes got)
{
	size_t from = 0, at = 0;

	while (at < got.length) {
		size_t n = strnlen(got.data + at, got.length - at);

		if (from + n > c->given_bytes || memcmp(c->given + from, got.data + at, n))
			return false;
		at += n + 1;
		if (c->given[from + n] && at < got.length)
			return false;
		from += strlen(c->given + from) + 1;
	}
	return true;
}

static void compare_derived_args(const struct comparison *c)
{
	const struct event_field *field, *flag;
	unsigned index;
	struct bytes got;
	bool truncated;

	field = live_field(c->view, "process.command_args", &index);
	flag = live_field(c->view, "process.args.truncated", &index);
	got = event_str(c->view, field);
	truncated = event_number(c->view, flag);
	CHECK(derived_is_prefix(c, got), "%s: arguments are \"%.*s\", not the beginning of what was given",
	      c->l->name, (int)strnlen(got.data, got.length), got.data);
	CHECK(truncated || got.length == c->given_bytes, "%s: %zu of %zu bytes of arguments, not said to be truncated",
	      c->l->name, got.length, c->given_bytes);
	CHECK(!truncated || !derived_is_whole(c), "%s: %zu bytes of arguments were truncated to %zu", c->l->name,
	      c->given_bytes, got.length);
}

static void compare_args(const struct comparison *c)
{
	const struct truth *t = c->truth;
	const struct event_field *field;
	unsigned index;
	struct bytes got;

	if (live_giving(c->l, c->view, "process.command_args") == GIVES_DERIVED) {
		compare_derived_args(c);
		return;
	}
	expect_bytes(c->l, c->view, "process.command_args", t->args,
		     t->args_size < TAPIO_ARGS_MAX ? t->args_size : TAPIO_ARGS_MAX);
	field = live_field(c->view, "process.command_args", &index);
	got = event_str(c->view, field);
	CHECK(!memmem(got.data, got.length, STIMULUS_SECRET, strlen(STIMULUS_SECRET)),
	      "%s: the environment is in the arguments", c->l->name);
}

/* Derived: the path given to execve if it is absolute. */
static void compare_exe(const struct comparison *c)
{
	const char *name = "process.executable.path", *filename = c->truth->filename;

	if (live_giving(c->l, c->view, name) == GIVES_EXACT)
		expect_path(c->l, c->view, name, c->truth->exe);
	else
		expect_path(c->l, c->view, name, *filename == '/' ? filename : "");
}

/* Given when one of the two sets differs from the parent's. The parent is this process, or like it. */
static void compare_caps(const struct comparison *c, const char *field, uint64_t want)
{
	uint64_t effective, permitted;

	own_capabilities(&effective, &permitted);
	if (c->truth->cap_effective == effective && c->truth->cap_permitted == permitted)
		expect_none(c->l, c->view, field);
	else
		expect_number(c->l, c->view, field, (int64_t)want);
}

static void compare_row(const struct comparison *c, const struct row *row)
{
	const char *at = (const char *)c->truth + row->at;
	uint64_t u64;
	uint32_t u32;

	memcpy(&u64, at, sizeof(u64));
	memcpy(&u32, at, sizeof(u32));
	switch (row->how) {
	case AS_U32:
		return expect_number(c->l, c->view, row->field, u32);
	case AS_TICKS:
		return expect_ticks(c->l, c->view, row->field, u64);
	case AS_TEXT:
		return expect_text(c->l, c->view, row->field, at);
	case AS_PATH:
		return expect_path(c->l, c->view, row->field, at);
	case AS_EXE:
		return compare_exe(c);
	case AS_ARGS:
		return compare_args(c);
	case AS_TRUNCATED:
		if (live_giving(c->l, c->view, row->field) == GIVES_EXACT)
			expect_number(c->l, c->view, row->field, u32 > TAPIO_ARGS_MAX);
		return;
	case AS_CAPS:
		return compare_caps(c, row->field, u64);
	case AS_CGROUP:
		if (c->l->cgroup_id)
			expect_number(c->l, c->view, row->field, (int64_t)c->l->cgroup_id);
		return;
	case AS_LEGACY:
		if (c->l->legacy_cgroup_id)
			expect_number(c->l, c->view, row->field, (int64_t)c->l->legacy_cgroup_id);
		return;
	}
}

static void compare_field(const struct comparison *c, const char *field)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].field, field)) {
			compare_row(c, &rows[i]);
			return;
		}
	CHECK(false, "field %s: nothing to compare it with", field);
}

/* What no row publishes: where the record came from and when. */
static void compare_header(const struct comparison *c)
{
	const struct tapio_event *ev = c->view->ev;
	uint64_t when = live_time_ns(c->l, c->view), start = ((const struct tapio_process_exec *)ev)->start.ns;

	CHECK(ev->sensor == TAPIO_SENSOR_PROCESS && ev->ring == TAPIO_RING_CONTROL, "%s: sensor %u, ring %u",
	      c->l->name, ev->sensor, ev->ring);
	CHECK(ev->cpu < c->l->collector.transport.cpus, "%s: cpu %u", c->l->name, ev->cpu);
	/* The clocks of kernels without boot time in BPF are converted: a little is lost there. */
	CHECK(when <= c->truth->boot_ns + NS_PER_MS && when + NS_PER_MS >= start,
	      "%s: happened at %llu, created at %llu, over at %llu", c->l->name, (unsigned long long)when,
	      (unsigned long long)start, (unsigned long long)c->truth->boot_ns);
}

void expect_exec(const struct live *l, const struct event_view *view, const struct truth *t, const char *given,
		 size_t given_bytes)
{
	struct comparison c = { l, view, t, given ? given : t->args, given ? given_bytes : t->args_size };

	if (!view)
		return;
	compare_header(&c);
	for (unsigned i = 0; i < event_ncommon; i++)
		compare_field(&c, event_common[i].name);
	for (unsigned i = 0; i < view->desc->nfields; i++)
		if (view->desc->fields[i].name)
			compare_field(&c, view->desc->fields[i].name);
}
