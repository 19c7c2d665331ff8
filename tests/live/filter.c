/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters, tested in the kernel: of two processes that do the same, the one that was asked for is
 * reported and the other one never becomes a record at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/* One of the two: what makes it different, and its life. */
struct subject {
	const struct live *l;
	const char *name; /* of the program */
	uid_t uid;
	struct gate gate;
	pid_t pid;
};

static int live_and_leave(void *arg)
{
	struct subject *s = arg;
	char path[PATH_MAX], *argv[] = { path, NULL };

	gate_wait(&s->gate);
	if (s->uid && setuid(s->uid))
		return errno;
	execve("/no/such/program", argv, stimulus_quiet);
	snprintf(path, sizeof(path), "%s/%s", s->l->dir, s->name);
	execve(path, argv, stimulus_quiet);
	return errno;
}

static void begin(struct subject *s, const struct live *l, const char *name)
{
	char path[PATH_MAX];

	s->l = l;
	s->name = name;
	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	REQUIRE(!link(l->program, path) || errno == EEXIST, "%s: %s", path, strerror(errno));
	s->gate = gate_make();
	s->pid = child_start(live_and_leave, s);
}

static void ask_for(struct live *l, uint32_t kind, const char *value)
{
	char why[256];

	REQUIRE(!filter_add(&l->options.filter, kind, value, why, sizeof(why)), "%s: %s", value, why);
}

static void ask_for_number(struct live *l, uint32_t kind, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	ask_for(l, kind, text);
}

static void end(struct subject *s)
{
	struct ended e;

	gate_open(&s->gate);
	e = child_end(s->pid);
	REQUIRE(!e.status, "%s: wait status %#x", s->name, e.status);
}

static unsigned count_all(const struct live *l, const struct subject *s)
{
	return live_count(l, TAPIO_EV_PROCESS_EXEC, s->pid) + live_count(l, TAPIO_EV_PROCESS_EXIT, s->pid) +
	       live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, s->pid);
}

/* Lets both live. `made`: records of the wanted one; the filter is tested before a record is begun. */
static void expect_only(struct live *l, struct subject *wanted, struct subject *other, unsigned made)
{
	struct tapio_counters counters;

	end(wanted);
	end(other);
	live_drain(l);
	CHECK(count_all(l, wanted) == made, "%s: %u records of the one that was asked for, not %u", l->name,
	      count_all(l, wanted), made);
	CHECK(!count_all(l, other), "%s: %u records of the one that was not", l->name, count_all(l, other));
	CHECK(!transport_counters(&l->collector.transport, TAPIO_SENSOR_PROCESS, &counters), "%s: no counters",
	      l->name);
	CHECK(counters.made == l->nviews && counters.made == made, "%s: %llu records were begun, %zu came, not %u",
	      l->name, (unsigned long long)counters.made, l->nviews, made);
}

/* An exec, a failed one where the tier gives it, and the end. */
static unsigned whole_life(const struct live *l)
{
	return 2 + live_gives_event(l, TAPIO_EV_PROCESS_EXEC_FAILED);
}

static void by_pid(struct live *l)
{
	struct subject wanted = { 0 }, other = { 0 };

	begin(&wanted, l, "one");
	begin(&other, l, "two");
	ask_for_number(l, TAPIO_FILTER_PID, (uint64_t)wanted.pid);
	live_start(l);
	expect_only(l, &wanted, &other, whole_life(l));
}

TEST(live, filter_pid)
{
	live_on_every_tier(by_pid);
}

/* Values that no other process of the machine has, not even those of another tier's test. */
static uid_t own_uid(unsigned n)
{
	return 100000 + 2 * (uid_t)getpid() + n;
}

/* The name is the program's from the exec on: the failed one before it has another. */
static void by_comm(struct live *l)
{
	struct subject wanted = { 0 }, other = { 0 };
	char name[2][TAPIO_COMM_LEN];

	snprintf(name[0], sizeof(name[0]), "want%d", getpid());
	snprintf(name[1], sizeof(name[1]), "want%d-no", getpid());
	begin(&wanted, l, name[0]);
	begin(&other, l, name[1]);
	ask_for(l, TAPIO_FILTER_COMM, name[0]);
	ask_for(l, TAPIO_FILTER_COMM, "nobody-is-this");
	live_start(l);
	expect_only(l, &wanted, &other, 2);
}

TEST(live, filter_comm)
{
	live_on_every_tier(by_comm);
}

static void by_uid(struct live *l)
{
	struct subject wanted = { .uid = own_uid(0) }, other = { .uid = own_uid(1) };

	begin(&wanted, l, "one");
	begin(&other, l, "two");
	ask_for_number(l, TAPIO_FILTER_UID, wanted.uid);
	live_start(l);
	expect_only(l, &wanted, &other, whole_life(l));
}

TEST(live, filter_uid)
{
	live_on_every_tier(by_uid);
}

/* Several values of a kind are alternatives, several kinds must all match. */
static void by_two_kinds(struct live *l)
{
	struct subject wanted = { .uid = own_uid(0) }, other = { .uid = own_uid(1) };

	begin(&wanted, l, "one");
	begin(&other, l, "two");
	ask_for_number(l, TAPIO_FILTER_PID, (uint64_t)wanted.pid);
	ask_for_number(l, TAPIO_FILTER_PID, (uint64_t)other.pid);
	ask_for_number(l, TAPIO_FILTER_UID, wanted.uid);
	live_start(l);
	expect_only(l, &wanted, &other, whole_life(l));
}

TEST(live, filter_kinds)
{
	live_on_every_tier(by_two_kinds);
}

/* ---- cgroups ---- */

static char cgroup_dir[PATH_MAX];

/* Below our own: NAME and NAME/below. */
static void make_cgroups(void)
{
	char below[PATH_MAX + 16];
	int n;

	REQUIRE(own_cgroup(cgroup_dir, sizeof(cgroup_dir) - 32), "no cgroup of our own");
	n = (int)strlen(cgroup_dir);
	snprintf(cgroup_dir + n, sizeof(cgroup_dir) - (size_t)n, "/tapio-test-%d", getpid());
	snprintf(below, sizeof(below), "%s/below", cgroup_dir);
	REQUIRE(!mkdir(cgroup_dir, 0755) && !mkdir(below, 0755), "%s: %s", below, strerror(errno));
}

static void remove_cgroups(void)
{
	char below[PATH_MAX + 16];

	snprintf(below, sizeof(below), "%s/below", cgroup_dir);
	CHECK(!rmdir(below) && !rmdir(cgroup_dir), "%s: %s", cgroup_dir, strerror(errno));
}

static void move(pid_t pid, const char *below)
{
	char path[PATH_MAX + 32], text[16];
	int fd, n;

	snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_dir, below);
	n = snprintf(text, sizeof(text), "%d", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && write(fd, text, (size_t)n) == n, "%s: %s", path, strerror(errno));
	close(fd);
}

static uint64_t cgroup_id(const char *below)
{
	char path[PATH_MAX + 16];
	uint64_t id = 0;
	int fd;

	snprintf(path, sizeof(path), "%s%s", cgroup_dir, below);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(fd >= 0 && !cgroup_id_of(fd, &id), "%s: %s", path, strerror(errno));
	close(fd);
	return id;
}

static void by_cgroup(struct live *l, const char *below, bool by_id)
{
	struct subject wanted = { 0 }, other = { 0 };

	make_cgroups();
	begin(&wanted, l, "one");
	begin(&other, l, "two");
	move(wanted.pid, below);
	if (by_id)
		ask_for_number(l, TAPIO_FILTER_CGROUP, cgroup_id(""));
	else
		ask_for(l, TAPIO_FILTER_CGROUP, cgroup_dir);
	live_start(l);
	expect_only(l, &wanted, &other, whole_life(l));
	expect_number(l, live_one(l, TAPIO_EV_PROCESS_EXEC, wanted.pid), "cgroup.id", (int64_t)cgroup_id(below));
	expect_number(l, live_one(l, TAPIO_EV_PROCESS_EXIT, wanted.pid), "cgroup.id", (int64_t)cgroup_id(below));
	live_stop(l);
	remove_cgroups();
}

static void by_path(struct live *l)
{
	by_cgroup(l, "", false);
}

/* Named by its parent's id: what lies below a cgroup belongs to it. */
static void by_parent_id(struct live *l)
{
	by_cgroup(l, "/below", true);
}

TEST(live, filter_cgroup)
{
	char path[PATH_MAX];

	if (!own_cgroup(path, sizeof(path)))
		SKIP("no cgroup v2 hierarchy is mounted");
	live_on_every_tier(by_path);
	live_on_every_tier(by_parent_id);
}

/* ---- ourselves ---- */

static int leave(void *arg)
{
	(void)arg;
	return 0;
}

/* Without --self our own doings are not reported, those of our children are. */
static void not_ourselves(struct live *l)
{
	char *argv[] = { "argument", NULL };
	struct subject child = { 0 };
	struct ended e;

	l->options.self = false;
	live_start(l);
	execve("/no/such/program", argv, stimulus_quiet);
	e = child_run(leave, NULL);
	begin(&child, l, "one");
	end(&child);
	live_drain(l);
	CHECK(!live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, getpid()), "%s: our own failed exec is reported", l->name);
	CHECK(!live_count(l, TAPIO_EV_PROCESS_FORK, e.pid), "%s: our own fork is reported", l->name);
	CHECK(live_count(l, TAPIO_EV_PROCESS_EXIT, e.pid) == 1, "%s: our child's end is not", l->name);
	CHECK(count_all(l, &child) == whole_life(l), "%s: %u records of our child", l->name, count_all(l, &child));
}

TEST(live, filter_self)
{
	live_on_every_tier(not_ourselves);
}
