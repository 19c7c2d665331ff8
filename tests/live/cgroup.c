/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups made, entered and removed; and whose each record of a process is, on each tier. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/host.h"
#include "identity/who.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/* A directory of the test's own in a hierarchy. */
struct box {
	uint32_t hierarchy;
	char mount[256];
	char path[PATH_MAX]; /* in the hierarchy */
	char full[PATH_MAX];
	uint64_t id;
};

static void box_name(struct box *b, const char *own, const char *name)
{
	int n = snprintf(b->path, sizeof(b->path), "%s/%s-%d.slice", strcmp(own, "/") ? own : "", name, getpid());

	REQUIRE(n < (int)sizeof(b->path) - 300 &&
			snprintf(b->full, sizeof(b->full), "%s%s", b->mount, b->path) < (int)sizeof(b->full),
		"path of %d bytes", n);
}

static void box_make(struct box *b)
{
	_cleanup_close_ int fd = -1;

	REQUIRE(!mkdir(b->full, 0755), "%s: %s", b->full, strerror(errno));
	fd = open(b->full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(fd >= 0 && !cgroup_id_of(fd, &b->id), "%s: %s", b->full, strerror(errno));
}

/* Both hierarchies that are followed here, as far as they are mounted. Their number. */
static unsigned boxes(const struct live *l, struct box ret[2])
{
	const struct legacy_hierarchy *legacy = &l->collector.legacy;
	struct resolver_options o = { .legacy_hierarchy = legacy->number,
				      .legacy_mount = legacy->mount[0] ? legacy->mount : NULL };
	struct cgroup_paths paths;
	unsigned n = 0;

	cgroup_mode_detect(&o.v2_mount);
	REQUIRE(!cgroup_paths_of_process(&o, "self", &paths), "/proc/self/cgroup");
	memset(ret, 0, 2 * sizeof(*ret));
	if (o.v2_mount && paths.v2) {
		snprintf(ret[n].mount, sizeof(ret[n].mount), "%s", o.v2_mount);
		box_name(&ret[n++], paths.v2, "tapio");
	}
	if (o.legacy_mount && paths.legacy) {
		ret[n].hierarchy = legacy->number;
		snprintf(ret[n].mount, sizeof(ret[n].mount), "%s", o.legacy_mount);
		box_name(&ret[n++], paths.legacy, "tapio");
	}
	cgroup_paths_free(&paths);
	return n;
}

static bool join(const struct box *b)
{
	char procs[PATH_MAX + 16], pid[16];
	_cleanup_close_ int fd = -1;
	int n = snprintf(pid, sizeof(pid), "%d", getpid());

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", b->full);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, pid, (size_t)n) == n;
}

/* ---- the cgroup sensor ---- */

/* The record about this box; fails unless there is just one. */
static const struct event_view *about(const struct live *l, unsigned type, const struct box *b)
{
	const struct event_view *found = NULL;
	unsigned n = 0;

	for (size_t i = l->first; i < l->nviews; i++) {
		const struct tapio_cgroup_created *c = (const void *)l->views[i].ev;

		if (c->ev.type != type || c->hierarchy != b->hierarchy || c->path.length != strlen(b->path) ||
		    memcmp((const char *)c + c->path.offset, b->path, c->path.length))
			continue;
		found = &l->views[i];
		n++;
	}
	CHECK(n == 1, "%s: %u records of %s about %s in hierarchy %u", l->name, n, event_desc_by_type(type)->name,
	      b->path, b->hierarchy);
	return found;
}

static void expect_box(const struct live *l, unsigned type, const struct box *b)
{
	const struct event_view *view = about(l, type, b);

	/* Before 5.5 tracepoints know other numbers, which the tier declares derived. */
	if (view && (!l->tier->abi || host_kernel_at_least(5, 5)))
		expect_number(l, view, "cgroup.subject.id", (int64_t)b->id);
}

static int enter(void *arg)
{
	return !join(arg);
}

static void body_cgroup(struct live *l)
{
	char elsewhere[] = "/tmp/tapio-no-cgroup.XXXXXX";
	struct box b[2];
	unsigned n;

	live_start(l);
	n = boxes(l, b);
	REQUIRE(n, "%s: no hierarchy is mounted", l->name);
	for (unsigned i = 0; i < n; i++) {
		struct ended e;

		live_about(l, b[i].hierarchy ? "v1" : "v2");
		box_make(&b[i]);
		e = child_run(enter, &b[i]);
		CHECK(!e.status, "%s: joining: %#x", l->name, e.status);
		CHECK(!rmdir(b[i].full), "%s: %s", b[i].full, strerror(errno));
		live_drain(l);
		expect_box(l, TAPIO_EV_CGROUP_CREATED, &b[i]);
		expect_box(l, TAPIO_EV_CGROUP_REMOVED, &b[i]);
		expect_box(l, TAPIO_EV_CGROUP_ENTERED, &b[i]);
		expect_number(l, about(l, TAPIO_EV_CGROUP_ENTERED, &b[i]), "cgroup.entered.tid", e.pid);
		expect_number(l, about(l, TAPIO_EV_CGROUP_CREATED, &b[i]), "process.pid", getpid());
	}
	/* a directory elsewhere, and one that could not be made, are no cgroups */
	live_about(l, "others");
	CHECK(mkdtemp(elsewhere) && !rmdir(elsewhere), "%s: %s", elsewhere, strerror(errno));
	CHECK(mkdir(b[0].mount, 0755), "made what is there");
	live_drain(l);
	for (size_t i = l->first; i < l->nviews; i++)
		CHECK(l->views[i].ev->tgid != (__u32)getpid(), "%s: a record of %s", l->name, l->views[i].desc->name);
}

TEST(live, cgroup_comes_and_goes)
{
	live_on_every_tier_of(TAPIO_SENSOR_CGROUP, body_cgroup);
}

/* ---- whose a record is ---- */

static struct who *open_who(const struct live *l)
{
	const struct sensor_run *cgroups = &l->collector.runs[TAPIO_SENSOR_CGROUP];
	const struct legacy_hierarchy *legacy = &l->collector.legacy;
	struct who_options o = { .cgroups_max = 4096,
				 .lineage = l->collector.lineage,
				 .classic_ids = cgroups->tier && cgroups->tier->abi,
				 .resolver = { .host_root = "/",
					       .legacy_hierarchy = legacy->number,
					       .legacy_mount = legacy->mount[0] ? legacy->mount : NULL } };
	char why[256];
	struct who *who;

	cgroup_mode_detect(&o.resolver.v2_mount);
	who = who_open(&o, why, sizeof(why));
	REQUIRE(who, "%s: %s", l->name, why);
	REQUIRE(!who_walk(who) && !who_start(who), "%s: starting", l->name);
	return who;
}

/* As the pipeline does it. The path of the cgroup that a record is said to be of; "" if unknown. */
static void path_of(struct who *who, const struct event_view *view, char *ret, size_t size)
{
	struct identifier *identifier = who_identifier(who);
	const struct event_identity *identity;
	struct pollfd pfd = { .fd = who_fd(who), .events = POLLIN };

	while (identifier->identify(identifier, view, &identity) == -EAGAIN) {
		poll(&pfd, 1, 5);
		who_answers(who);
	}
	snprintf(ret, size, "%s", identity->cgroup_path ? identity->cgroup_path : "");
}

/*
 * Takes the records in their order, and looks at those of one process. `wants` says, for each record,
 * where it must have been.
 */
static void expect_whose(struct live *l, struct who *who, pid_t pid, const char *before, const char *after)
{
	bool moved = false;
	unsigned n = 0;

	for (size_t i = l->first; i < l->nviews; i++) {
		const struct tapio_cgroup_entered *e = (const void *)l->views[i].ev;
		char path[PATH_MAX];

		who_identifier(who)->observe(who_identifier(who), &l->views[i]);
		if (l->views[i].ev->type == TAPIO_EV_CGROUP_ENTERED && e->pid == (__u32)pid)
			continue;
		if (l->views[i].ev->tgid != (__u32)pid || l->views[i].desc->sensor != TAPIO_SENSOR_PROCESS)
			continue;
		path_of(who, &l->views[i], path, sizeof(path));
		moved |= l->views[i].ev->type == TAPIO_EV_PROCESS_EXEC;
		/* Without BTF a fork is told in its parent's cgroup, which the tier declares. */
		if (l->tier->abi && l->views[i].ev->type == TAPIO_EV_PROCESS_FORK)
			continue;
		n++;
		CHECK(!strcmp(path, moved ? after : before), "%s: %s of %d in %s, not in %s", l->name,
		      l->views[i].desc->name, pid, path, moved ? after : before);
	}
	CHECK(n >= 2, "%s: %u records of process %d", l->name, n, pid);
}

static struct live *session; /* for children */

static int join_and_exec(void *arg)
{
	char *const argv[] = { "whose", NULL };

	if (!join(arg))
		return 1;
	execve(session->program, argv, stimulus_quiet);
	return 2;
}

/* Born into the cgroup, without ever being moved: clone3(2) with CLONE_INTO_CGROUP, 5.7. -1: not to be had. */
static pid_t born_into(const struct box *b)
{
	char *const argv[] = { "whose", NULL };
	_cleanup_close_ int fd = open(b->full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)fd };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid)
		return pid;
	execve(session->program, argv, stimulus_quiet);
	_exit(2);
}

static void own_path(const struct live *l, char *ret, size_t size)
{
	struct resolver_options o = { .legacy_hierarchy = l->collector.legacy.number };
	struct cgroup_paths paths;

	cgroup_mode_detect(&o.v2_mount);
	REQUIRE(!cgroup_paths_of_process(&o, "self", &paths), "/proc/self/cgroup");
	snprintf(ret, size, "%s", o.v2_mount && paths.v2 ? paths.v2 : paths.legacy);
	cgroup_paths_free(&paths);
}

/*
 * A unit below our slice: so that the hierarchy in which the process was moved is the one that tells more.
 */
static void in_box(struct live *l, struct box *slice, bool born)
{
	struct box unit = *slice;
	struct who *who;
	char own[PATH_MAX];
	struct ended e;
	pid_t pid;

	live_about(l, born ? "born into it" : slice->hierarchy ? "v1" : "v2");
	own_path(l, own, sizeof(own));
	strcat(unit.path, "/whose.service");
	strcat(unit.full, "/whose.service");
	box_make(slice);
	who = open_who(l);
	box_make(&unit);
	pid = born ? born_into(&unit) : child_start(join_and_exec, &unit);
	if (pid > 0) {
		e = child_end(pid);
		CHECK(!e.status, "%s: %#x", l->name, e.status);
	}
	CHECK(!rmdir(unit.full) && !rmdir(slice->full), "%s: %s", unit.full, strerror(errno));
	live_drain(l);
	if (pid > 0)
		expect_whose(l, who, pid, born ? unit.path : own, unit.path);
	who_close(who);
}

static void body_whose(struct live *l)
{
	struct box b[2];
	unsigned n;

	session = l;
	l->options.identity = true;
	live_start(l);
	n = boxes(l, b);
	REQUIRE(n, "%s: no hierarchy is mounted", l->name);
	for (unsigned i = 0; i < n; i++)
		in_box(l, &b[i], false);
	/* Kernels that know no cgroup ids cannot do this either; there only the tier was forced. */
	if (!b[0].hierarchy && strcmp(l->tier->name, "abi_v4_14"))
		in_box(l, &b[0], true);
}

TEST(live, whose_each_record_is)
{
	live_on_every_tier(body_whose);
}

/* ---- cgroups that are not wanted ---- */

static const struct tapio_event *record_of(const struct live *l, unsigned type, pid_t pid)
{
	for (size_t i = l->first; i < l->nviews; i++)
		if (l->views[i].ev->type == type && l->views[i].ev->tgid == (__u32)pid)
			return l->views[i].ev;
	return NULL;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* A fork is judged by the cgroup of the child, as every other event of it is. */
static void body_verdict(struct live *l)
{
	struct tapio_cgroup_key key;
	const struct tapio_event *ev;
	struct box b[2];
	__u32 one = 1;
	pid_t pid;

	session = l;
	live_start(l);
	if (l->tier->abi || !boxes(l, b) || b[0].hierarchy)
		return;
	live_about(l, "before");
	pid = child_run(nothing, NULL).pid;
	live_drain(l);
	ev = record_of(l, TAPIO_EV_PROCESS_FORK, pid);
	REQUIRE(ev, "%s: no fork of %d", l->name, pid);
	key = (struct tapio_cgroup_key){ ev->cgroup_id, ev->legacy_cgroup_id };
	REQUIRE(!bpf_map_update_elem(l->collector.transport.verdicts_fd, &key, &one, BPF_ANY), "%s", strerror(errno));
	l->collector.config.filters |= TAPIO_FILTER_VERDICT;
	REQUIRE(!collector_configure(&l->collector), "%s", strerror(errno));

	live_about(l, "not wanted");
	pid = child_run(nothing, NULL).pid;
	box_make(&b[0]);
	live_drain(l);
	CHECK(!record_of(l, TAPIO_EV_PROCESS_FORK, pid), "%s: a fork in a cgroup that is not wanted", l->name);
	live_about(l, "born into another one");
	pid = born_into(&b[0]);
	if (pid > 0) {
		child_end(pid);
		live_drain(l);
		CHECK(record_of(l, TAPIO_EV_PROCESS_EXEC, pid), "%s: no exec of %d", l->name, pid);
		ev = record_of(l, TAPIO_EV_PROCESS_FORK, pid);
		CHECK(ev && ev->cgroup_id == b[0].id, "%s: no fork of %d", l->name, pid);
	}
	CHECK(!rmdir(b[0].full), "%s: %s", b[0].full, strerror(errno));
}

TEST(live, verdicts_are_about_the_child)
{
	live_on_every_tier(body_verdict);
}
