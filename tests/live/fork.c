/* SPDX-License-Identifier: Apache-2.0 */
/* Who made whom: forks of all kinds, orphans, and process ids that are used again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/exec_truth.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/* What children tell the test, in shared memory. */
static struct family {
	pid_t grandchild;
	pid_t orphaned; /* to whom it was given */
} *family;

static void share(void)
{
	family = mmap(NULL, sizeof(*family), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(family != MAP_FAILED, "mmap: %s", strerror(errno));
}

/* `creator`: who called fork; tiers that derive the parent name that one. */
static void expect_fork(struct live *l, const struct ended *e, pid_t parent, pid_t creator)
{
	const struct event_view *view = live_one(l, TAPIO_EV_PROCESS_FORK, e->pid);
	bool exact = view && live_giving(l, view, "process.parent_pid") == GIVES_EXACT;

	expect_number(l, view, "process.pid", e->pid);
	expect_number(l, view, "process.tid", e->pid);
	expect_number(l, view, "process.parent_pid", exact ? parent : creator);
	expect_number(l, view, "process.vpid", e->pid);
	expect_ticks(l, view, "process.creation.time", e->start_ticks);
	expect_text(l, view, "process.executable.name", "tapio-forking");
	if (l->cgroup_id)
		expect_number(l, view, "cgroup.id", (int64_t)l->cgroup_id);
}

static void expect_exit_parent(struct live *l, const struct ended *e, pid_t parent, pid_t creator)
{
	const struct event_view *view = live_one(l, TAPIO_EV_PROCESS_EXIT, e->pid);
	bool exact = view && live_giving(l, view, "process.parent_pid") == GIVES_EXACT;

	expect_number(l, view, "process.parent_pid", exact ? parent : creator);
}

static int leave(void *arg)
{
	(void)arg;
	return 0;
}

static void by_fork(struct live *l)
{
	struct ended e;

	live_about(l, "fork");
	e = child_run(leave, NULL);
	live_drain(l);
	expect_fork(l, &e, getpid(), getpid());
	expect_exit_parent(l, &e, getpid(), getpid());
}

static void by_vfork(struct live *l)
{
	struct ended e;
	pid_t pid;

	live_about(l, "vfork");
	pid = vfork();
	if (!pid)
		_exit(0);
	e = child_end(pid);
	live_drain(l);
	expect_fork(l, &e, getpid(), getpid());
}

static int clone_sibling(void *arg)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	(void)arg;
	if (!pid)
		_exit(0);
	family->grandchild = pid;
	return pid < 0 ? errno : 0;
}

/* The child's parent is the one that made its maker. */
static void by_clone_parent(struct live *l)
{
	struct ended maker, e;

	live_about(l, "CLONE_PARENT");
	maker = child_run(clone_sibling, NULL);
	REQUIRE(!maker.status, "%s: wait status %#x", l->name, maker.status);
	e = child_end(family->grandchild);
	live_drain(l);
	expect_fork(l, &e, getpid(), maker.pid);
}

static int fork_and_leave(void *arg)
{
	pid_t parent = getpid(), pid = fork();

	(void)arg;
	if (pid) {
		family->grandchild = pid;
		return pid < 0 ? errno : 0;
	}
	/* Until its parent has gone and it was given to another. */
	while (getppid() == parent)
		usleep(1000);
	family->orphaned = getppid();
	_exit(0);
}

/* The daemon's way: this process, as reaper, becomes the grandchild's parent. */
static void by_double_fork(struct live *l)
{
	struct ended child, e;

	live_about(l, "double fork");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = child_run(fork_and_leave, NULL);
	e = child_end(family->grandchild);
	CHECK(family->orphaned == getpid(), "%s: given to %d", l->name, family->orphaned);
	live_drain(l);
	expect_fork(l, &e, child.pid, child.pid);
	expect_exit_parent(l, &e, getpid(), child.pid);
	expect_exit_parent(l, &child, getpid(), getpid());
}

/* Threads are no forks: threads.c. Here: a fork by another thread than the first. */
static int fork_in_thread(void *arg)
{
	pid_t pid = fork();

	(void)arg;
	if (!pid)
		_exit(0);
	__atomic_store_n(&family->grandchild, pid, __ATOMIC_RELEASE);
	return 0;
}

static int fork_by_thread(void *arg)
{
	family->grandchild = 0;
	thread_start(fork_in_thread, arg);
	while (!__atomic_load_n(&family->grandchild, __ATOMIC_ACQUIRE))
		usleep(1000);
	waitid(P_PID, (id_t)family->grandchild, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	return 0;
}

static void by_thread(struct live *l)
{
	struct ended child, e;

	live_about(l, "fork by a thread");
	child = child_run(fork_by_thread, NULL);
	e = child_end(family->grandchild);
	live_drain(l);
	expect_fork(l, &e, child.pid, child.pid);
	expect_exit_parent(l, &child, getpid(), getpid());
}

static void all_forks(struct live *l)
{
	share();
	child_name("tapio-forking");
	live_start(l);
	by_fork(l);
	by_vfork(l);
	by_clone_parent(l);
	by_double_fork(l);
	by_thread(l);
}

TEST(live, forks)
{
	live_on_every_tier(all_forks);
}

/* ---- a process id that is used again ---- */

/* As struct clone_args of Linux 5.5, which the C library's headers may lack. */
struct clone_request {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
};

/* From 5.5: exactly this id. */
static pid_t fork_as(pid_t pid)
{
	struct clone_request request = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };

	return (pid_t)syscall(SYS_clone3, &request, sizeof(request));
}

/* Before: the next id that is free after one that was written. Others may take it first. */
static pid_t fork_after(pid_t before)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", before);
	pid_t pid;

	if (fd < 0)
		return -1;
	pid = write(fd, text, (size_t)n) == n ? fork() : -1;
	if (pid)
		close(fd);
	return pid;
}

/* In memory that this process has written to: what it has only inherited some tiers cannot read, as they declare. */
static char name[8];

static void become(const char *program)
{
	char *argv[] = { name, NULL };

	strcpy(name, "again");
	execve(program, argv, stimulus_report);
	_exit(errno);
}

/* A process of that id; -1 if there is no way to have one. */
static pid_t again(pid_t wanted, const char *program)
{
	pid_t pid = -1;

	fflush(stdout);
	for (int tries = 0; tries < 100 && pid != wanted; tries++) {
		if (pid > 0)
			child_end(pid);
		pid = fork_as(wanted);
		if (pid < 0 && errno != EEXIST)
			pid = fork_after(wanted - 1);
		if (!pid)
			become(program);
		if (pid < 0)
			return -1;
	}
	return pid == wanted ? pid : -1;
}

static int become_first(void *arg)
{
	become(arg);
	return 0;
}

/* The n-th process of the id: its fork, exec and end agree on when it was created. */
static uint64_t expect_life(struct live *l, pid_t pid, unsigned nth, const struct truth *t)
{
	const struct event_view *start = live_find(l, TAPIO_EV_PROCESS_EXEC, pid, nth);
	const struct event_view *made = live_find(l, TAPIO_EV_PROCESS_FORK, pid, nth);
	const struct event_view *end = live_find(l, TAPIO_EV_PROCESS_EXIT, pid, nth);
	uint64_t created;

	REQUIRE(start && made && end, "%s: not all records of life %u", l->name, nth);
	expect_exec(l, start, t, NULL, 0);
	CHECK(live_time_ns(l, made) <= live_time_ns(l, start) && live_time_ns(l, start) <= live_time_ns(l, end),
	      "%s: life %u is not in order", l->name, nth);
	created = ((const struct tapio_process_exec *)start->ev)->start.ns;
	expect_number(l, made, "process.creation.time", (int64_t)created);
	expect_number(l, end, "process.creation.time", (int64_t)created);
	return created;
}

static void reuse(struct live *l)
{
	static struct truth first, second;
	struct ended e;
	uint64_t created;
	pid_t pid;

	truth_open();
	live_start(l);
	e = child_run(become_first, (void *)l->program);
	REQUIRE(!e.status && truth_take(&first), "%s: wait status %#x", l->name, e.status);
	pid = again(e.pid, l->program);
	if (pid < 0)
		SKIP("%s: neither clone3 nor ns_last_pid gives a chosen process id", l->name);
	e = child_end(pid);
	REQUIRE(!e.status && truth_take(&second), "%s: wait status %#x", l->name, e.status);
	CHECK(first.pid == second.pid, "%s: pids %d and %d", l->name, first.pid, second.pid);
	live_drain(l);
	CHECK(live_count(l, TAPIO_EV_PROCESS_EXIT, pid) == 2, "%s: %u ends instead of 2", l->name,
	      live_count(l, TAPIO_EV_PROCESS_EXIT, pid));
	created = expect_life(l, pid, 0, &first);
	if (live_has(live_find(l, TAPIO_EV_PROCESS_EXEC, pid, 0), "process.creation.time"))
		CHECK(created < expect_life(l, pid, 1, &second), "%s: both were created at %llu", l->name,
		      (unsigned long long)created);
}

TEST(live, pid_reuse)
{
	live_on_every_tier(reuse);
}
