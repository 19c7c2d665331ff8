/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel counts of our programs, in windows that a helper process opens. */
#include "collect/bpf_stats.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privilege.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

static int just_exec(void *arg)
{
	char *const argv[] = { "tapio-counted", NULL };

	execve(((struct live *)arg)->program, argv, stimulus_quiet);
	return 99;
}

static void open_stats(struct bpf_stats *s, enum bpf_stats_mode mode)
{
	int err = bpf_stats_open(s, mode);

	if (err == -EOPNOTSUPP)
		SKIP("%s", s->why);
	REQUIRE(!err && !s->why[0], "%d: %s", err, s->why);
	s->on_ns = 200 * NS_PER_MS;
	s->period_ns = 600 * NS_PER_MS;
	s->next_ns = 0;
}

/* Ticks until the state is this one. */
static void reach(struct live *l, struct bpf_stats *s, enum bpf_stats_state state)
{
	for (int i = 0; i < 1000 && s->state != state; i++) {
		uint64_t next = bpf_stats_tick(s, l->collector.runs, clock_ns(CLOCK_MONOTONIC));

		REQUIRE(next != UINT64_MAX, "%s: %s", l->name, s->why);
		usleep(5000);
	}
	REQUIRE(s->state == state, "%s: state %d, not %d", l->name, (int)s->state, (int)state);
}

/* Of the program that reports an exec. */
static struct program_stats exec_program(struct live *l, const struct bpf_stats *s)
{
	const struct sensor_run *run = &l->collector.runs[TAPIO_SENSOR_PROCESS];
	struct program_stats p = {};

	for (unsigned i = 0; !(s ? bpf_stats_of(s, run, i, &p) : sensor_program_stats(run, i, &p)); i++)
		if (strstr(p.hook, "/sched_process_exec"))
			return p;
	REQUIRE(false, "%s: no program at sched_process_exec", l->name);
	return p;
}

static void execs(struct live *l, unsigned n)
{
	while (n--)
		child_run(just_exec, l);
}

/* Somebody else may count too, for a while: another test, or a tool. */
static bool counting_stops(struct live *l)
{
	for (int i = 0; i < 50; i++) {
		uint64_t before = exec_program(l, NULL).runs;

		execs(l, 1);
		if (exec_program(l, NULL).runs == before)
			return true;
		usleep(50000);
	}
	return false;
}

static void check_windows(struct live *l)
{
	struct program_stats in_window, raw;
	struct bpf_stats s;
	uint64_t enabled;

	open_stats(&s, BPF_STATS_SAMPLED);
	live_start(l);
	execs(l, 3); /* before: not counted */
	reach(l, &s, BPF_STATS_COUNTING);
	execs(l, 10);
	reach(l, &s, BPF_STATS_IDLE);
	in_window = exec_program(l, &s);
	enabled = s.enabled_ns;
	CHECK(in_window.runs >= 10, "%s: %lu runs, not 10 or more", l->name, in_window.runs);
	CHECK(in_window.run_ns >= in_window.runs * 50 && in_window.run_ns < enabled,
	      "%s: %lu ns in %lu runs within %lu ns", l->name, in_window.run_ns, in_window.runs, enabled);
	CHECK(enabled >= s.on_ns, "%s: a window of %lu ns", l->name, enabled);
	raw = exec_program(l, NULL);
	CHECK(raw.runs >= in_window.runs, "%s: the kernel counted %lu, we %lu", l->name, raw.runs, in_window.runs);
	CHECK(counting_stops(l), "%s: the kernel still counts", l->name);
	CHECK(exec_program(l, &s).runs == in_window.runs, "%s: counted while off", l->name);
	reach(l, &s, BPF_STATS_COUNTING);
	reach(l, &s, BPF_STATS_IDLE);
	CHECK(s.windows == 2 && s.enabled_ns >= enabled + s.on_ns, "%s: %lu windows, %lu ns", l->name, s.windows,
	      s.enabled_ns);
	bpf_stats_close(&s);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "%s: the helper is left", l->name);
}

TEST(live, bpf_stats)
{
	live_on_every_transport(check_windows);
}

/* The agent gives CAP_SYS_ADMIN up, and the helper has it. */
static void check_after_giving_up(struct live *l)
{
	struct bpf_stats s;
	char why[128] = "";

	open_stats(&s, BPF_STATS_ALWAYS);
	live_start(l);
	REQUIRE(!privilege_keep(1ull << CAP_BPF | 1ull << CAP_PERFMON, why, sizeof(why)), "%s", why);
	CHECK(bpf_stats_open(&(struct bpf_stats){}, BPF_STATS_SAMPLED) == -EPERM, "%s: without the privilege", l->name);
	reach(l, &s, BPF_STATS_COUNTING);
	s.next_ns = 0;
	execs(l, 5);
	bpf_stats_tick(&s, l->collector.runs, clock_ns(CLOCK_MONOTONIC));
	CHECK(exec_program(l, &s).runs >= 5, "%s: %lu runs", l->name, exec_program(l, &s).runs);
	CHECK(s.state == BPF_STATS_COUNTING && s.windows == 1, "%s: the window has ended", l->name);
	bpf_stats_close(&s);
}

TEST(live, bpf_stats_after_giving_up)
{
	live_on_every_transport(check_after_giving_up);
}

static uint64_t number_of(pid_t pid, const char *file, const char *key, int base)
{
	char path[64], line[256];
	uint64_t number = UINT64_MAX;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	REQUIRE(f, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			number = strtoull(line + strlen(key), NULL, base);
	fclose(f);
	return number;
}

TEST(live, bpf_stats_helper_is_small)
{
	char path[64];
	struct bpf_stats s;
	unsigned fds = 0;
	uint64_t kib;

	open_stats(&s, BPF_STATS_SAMPLED);
	bpf_stats_tick(&s, NULL, 1);
	usleep(200000); /* it has answered, and so has restricted itself */
	CHECK(number_of(s.helper, "status", "CapPrm:", 16) == 1ull << CAP_SYS_ADMIN, "it holds %#lx",
	      number_of(s.helper, "status", "CapPrm:", 16));
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
		CHECK(number_of(s.helper, "status", "Seccomp:", 10) == 2, "it has no filter");
	kib = number_of(s.helper, "smaps_rollup", "Private_Dirty:", 10);
	CHECK(kib < 1024, "it has %lu KiB of its own", kib);
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", s.helper, fd);
		fds += !access(path, F_OK);
	}
	CHECK(fds == 4, "it has %u descriptors, not its socket three times and the counting", fds);
	bpf_stats_close(&s);
}

/* Kills what holds the other end of the socket, and sees what comes of it. */
TEST(live, bpf_stats_helper_dies)
{
	struct bpf_stats s;

	open_stats(&s, BPF_STATS_SAMPLED);
	kill(s.helper, SIGKILL);
	usleep(100000);
	CHECK(bpf_stats_tick(&s, NULL, 1) == UINT64_MAX, "it wants to be called again");
	CHECK(strstr(s.why, "has ended"), "the reason is '%s'", s.why);
	CHECK(bpf_stats_tick(&s, NULL, 2) == UINT64_MAX, "it wants to be called again");
	bpf_stats_close(&s);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "the helper is left");
}

/* An agent that is killed while it counts. */
TEST(live, bpf_stats_agent_dies)
{
	struct gate told = gate_make();
	pid_t agent, helper = 0;
	bool gone = false;

	REQUIRE(!prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "no subreaper");
	agent = fork();
	if (!agent) {
		struct bpf_stats s;

		if (bpf_stats_open(&s, BPF_STATS_SAMPLED))
			s.helper = -1;
		s.next_ns = 0;
		bpf_stats_tick(&s, NULL, 1);
		if (write(told.fds[1], &s.helper, sizeof(s.helper)) == sizeof(s.helper))
			pause();
		_exit(1);
	}
	REQUIRE(read(told.fds[0], &helper, sizeof(helper)) == sizeof(helper), "no helper's id");
	usleep(100000);
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	if (helper < 0)
		SKIP("BPF_ENABLE_STATS is not to be had here: see live/bpf_stats");
	for (int i = 0; i < 500 && !gone; i++) {
		gone = waitpid(helper, NULL, WNOHANG) == helper;
		usleep(10000);
	}
	CHECK(gone, "the helper %d outlives its agent", helper);
}
