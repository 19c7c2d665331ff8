/* SPDX-License-Identifier: Apache-2.0 */
/* How processes end, each field of their records against what wait(2) and /proc say. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

#define USER_TIME "process.cpu.user_time"
#define SYSTEM_TIME "process.cpu.system_time"

/* ---- status ---- */

static void expect_status(const struct live *l, const struct event_view *view, int status)
{
	if (WIFEXITED(status)) {
		expect_number(l, view, "process.exit.code", WEXITSTATUS(status));
		expect_none(l, view, "process.exit.signal");
		expect_none(l, view, "process.exit.core_dumped");
		return;
	}
	expect_none(l, view, "process.exit.code");
	expect_number(l, view, "process.exit.signal", WTERMSIG(status));
	expect_number(l, view, "process.exit.core_dumped", !!WCOREDUMP(status));
}

static void expect_ended(struct live *l, const struct ended *e)
{
	const struct event_view *view = live_one(l, TAPIO_EV_PROCESS_EXIT, e->pid);

	expect_status(l, view, e->status);
	expect_number(l, view, "process.pid", e->pid);
	expect_number(l, view, "process.vpid", e->pid);
	expect_number(l, view, "process.parent_pid", getpid());
	expect_text(l, view, "process.executable.name", "tapio-ending");
	expect_ticks(l, view, "process.creation.time", e->start_ticks);
	/* wait(2) has the greater of the process's own and of its children's */
	expect_between(l, view, "process.memory.peak_rss", e->had_children ? 1 : e->usage.ru_maxrss * 1024,
		       e->usage.ru_maxrss * 1024);
	if (l->cgroup_id)
		expect_number(l, view, "cgroup.id", (int64_t)l->cgroup_id);
	CHECK(!live_count(l, TAPIO_EV_PROCESS_EXEC, e->pid) && !live_count(l, TAPIO_EV_PROCESS_EXEC_FAILED, e->pid),
	      "%s: it started no program", l->name);
}

static int exit_with(void *arg)
{
	return *(int *)arg;
}

/* A signal that ends the process, whatever the test's parent did to it. */
static int end_by_signal(void *arg)
{
	int sig = *(int *)arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), sig);
	return 0;
}

/* With a core, if this machine's settings give one: into the test's own directory. */
static int end_with_core(void *arg)
{
	const struct live *l = arg;
	struct rlimit limit;
	int sig = SIGSEGV;

	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_CORE, &limit);
	prctl(PR_SET_DUMPABLE, 1);
	return chdir(l->dir) ? errno : end_by_signal(&sig);
}

static int end_without_core(void *arg)
{
	struct rlimit limit = { 0 };

	setrlimit(RLIMIT_CORE, &limit);
	return end_by_signal(arg);
}

static bool is_fatal(int sig)
{
	static const int harmless[] = { SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH };

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (sig == harmless[i])
			return false;
	return sig != SIGRTMIN - 1 && sig != SIGRTMIN - 2; /* the C library's own */
}

static void end_in_all_ways(struct live *l)
{
	static const int codes[] = { 0, 1, 2, 42, 127, 128, 255, 256 + 3 };
	struct ended e;

	child_name("tapio-ending");
	live_start(l);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		int code = codes[i];

		live_about(l, "exit");
		e = child_run(exit_with, &code);
		CHECK(WIFEXITED(e.status) && WEXITSTATUS(e.status) == (code & 255), "status %#x", e.status);
		live_drain(l);
		expect_ended(l, &e);
	}
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		if (!is_fatal(sig))
			continue;
		live_about(l, strsignal(sig));
		e = child_run(end_without_core, &sig);
		CHECK(WIFSIGNALED(e.status) && WTERMSIG(e.status) == sig && !WCOREDUMP(e.status), "%s: status %#x",
		      l->name, e.status);
		live_drain(l);
		expect_ended(l, &e);
	}
	live_about(l, "core");
	e = child_run(end_with_core, l);
	live_drain(l);
	expect_ended(l, &e);
}

TEST(live, exit_statuses)
{
	live_on_every_tier(end_in_all_ways);
}

/* ---- what it used ---- */

enum { RSS_MIB = 24, BURN_MS = 60 };

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void burn_user(unsigned ms)
{
	volatile unsigned x = 0;

	for (uint64_t end = cpu_ns() + ms * NS_PER_MS; cpu_ns() < end;)
		for (unsigned i = 0; i < 20000; i++)
			x += i;
}

/* Page faults: all their time is the kernel's. */
static void burn_system(unsigned ms)
{
	const size_t bytes = 4 << 20;

	for (uint64_t end = cpu_ns() + ms * NS_PER_MS; cpu_ns() < end;) {
		char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (p != MAP_FAILED)
			munmap(p, bytes);
	}
}

static int burn_both(void *arg)
{
	(void)arg;
	burn_user(2 * BURN_MS);
	burn_system(BURN_MS);
	return 0;
}

/* A thread burns while the first one has left: that one's time counts too. */
static int burn_in_threads(void *arg)
{
	thread_start(burn_both, arg);
	burn_user(BURN_MS);
	syscall(SYS_exit, 0);
	return 1;
}

/* The child's time is not its parent's. */
static int burn_in_child(void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(burn_both(arg));
	waitpid(pid, NULL, 0);
	return 0;
}

static int use_memory(void *arg)
{
	void *p = mmap(NULL, RSS_MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	(void)arg;
	return p == MAP_FAILED ? errno : 0;
}

static int sleep_a_while(void *arg)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };

	(void)arg;
	nanosleep(&ts, NULL);
	return 0;
}

/*
 * Derived: the counters lag by at most a tick of the kernel, which is 10 ms at most; and what the
 * process still did between the hook and its end is not in them. May be unknown if it is short.
 */
static void expect_cpu_time(const struct live *l, const struct event_view *view, uint64_t user_ns,
			    uint64_t system_ns, uint64_t tolerance_ns)
{
	const struct tapio_process_exit *rec;
	int64_t total;

	if (!view || live_giving(l, view, USER_TIME) == GIVES_NOTHING)
		return;
	rec = (const void *)view->ev;
	if (!live_has(view, USER_TIME) || !live_has(view, SYSTEM_TIME)) {
		CHECK(user_ns + system_ns < 2 * tolerance_ns, "%s: no CPU time after %llu ns", l->name,
		      (unsigned long long)(user_ns + system_ns));
		return;
	}
	total = (int64_t)(rec->user_ns + rec->system_ns - user_ns - system_ns);
	CHECK(llabs(total) <= (long long)tolerance_ns, "%s: %lld ns of CPU time away from %llu ns", l->name,
	      (long long)total, (unsigned long long)(user_ns + system_ns));
}

/* The split is sampled at ticks, which a busy machine misses: it need not be near the truth each time. */
static bool split_is_near(const struct live *l, const struct event_view *view, uint64_t user_ns, uint64_t total_ns)
{
	const struct tapio_process_exit *rec;

	if (!view || live_giving(l, view, USER_TIME) == GIVES_NOTHING)
		return true;
	rec = (const void *)view->ev;
	return llabs((long long)(rec->user_ns - user_ns)) < (long long)total_ns / 6;
}

static uint64_t timeval_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * NS_PER_S + (uint64_t)tv.tv_usec * 1000;
}

static struct ended use(struct live *l, const char *name, int (*fn)(void *))
{
	uint64_t before, after;
	const struct event_view *view;
	struct ended e;

	live_about(l, name);
	before = clock_ns(CLOCK_BOOTTIME);
	e = child_run(fn, NULL);
	e.had_children = fn == burn_in_child;
	after = clock_ns(CLOCK_BOOTTIME);
	CHECK(!e.status, "%s: wait status %#x", l->name, e.status);
	live_drain(l);
	expect_ended(l, &e);
	view = live_one(l, TAPIO_EV_PROCESS_EXIT, e.pid);
	expect_between(l, view, "process.run_time", 0, (int64_t)(after - before));
	if (view)
		CHECK(live_time_ns(l, view) + NS_PER_MS >= before && live_time_ns(l, view) <= after + NS_PER_MS,
		      "%s: the end is told at %llu, between %llu and %llu", l->name,
		      (unsigned long long)live_time_ns(l, view), (unsigned long long)before,
		      (unsigned long long)after);
	return e;
}

static void use_resources(struct live *l)
{
	const uint64_t tick = 10 * NS_PER_MS * live_patience();
	const uint64_t proc_tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	static int (*const burners[])(void *) = { burn_both, burn_in_threads, sleep_a_while };
	const struct event_view *view;
	bool near = false;
	struct ended e;

	child_name("tapio-ending");
	live_start(l);
	for (size_t i = 0; i < sizeof(burners) / sizeof(burners[0]); i++) {
		e = use(l, i == 0 ? "burn" : i == 1 ? "burn in threads" : "sleep", burners[i]);
		view = live_find(l, TAPIO_EV_PROCESS_EXIT, e.pid, 0);
		expect_cpu_time(l, view, timeval_ns(e.usage.ru_utime), timeval_ns(e.usage.ru_stime), tick);
	}
	expect_between(l, view, "process.run_time", 50 * NS_PER_MS, INT64_MAX);
	for (int tries = 0; tries < 8 && !near; tries++) {
		uint64_t user_ns;

		e = use(l, "burn, split", burn_both);
		user_ns = timeval_ns(e.usage.ru_utime);
		near = split_is_near(l, live_find(l, TAPIO_EV_PROCESS_EXIT, e.pid, 0), user_ns,
				     user_ns + timeval_ns(e.usage.ru_stime));
	}
	CHECK(near, "%s: user time was never near getrusage's", l->name);
	e = use(l, "burn in child", burn_in_child);
	view = live_find(l, TAPIO_EV_PROCESS_EXIT, e.pid, 0);
	expect_cpu_time(l, view, e.user_ticks * proc_tick, e.system_ticks * proc_tick, tick + proc_tick);
	/* The sum is exact, its split into user and system is sampled and may be anything under load. */
	CHECK(timeval_ns(e.usage.ru_utime) + timeval_ns(e.usage.ru_stime) > 2 * BURN_MS * NS_PER_MS,
	      "%s: the child did not burn", l->name);
	e = use(l, "memory", use_memory);
	CHECK(e.usage.ru_maxrss >= RSS_MIB << 10, "%s: %ld KiB at most", l->name, e.usage.ru_maxrss);
}

TEST(live, exit_resources)
{
	live_on_every_tier(use_resources);
}
