/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/bpf_stats.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/privilege.h"

#define SETTLE_NS (10 * NS_PER_S) /* of a window that never ends */
#define ASK_NS (20 * NS_PER_MS)   /* from look to look for the helper's answer */
#define PATIENCE_NS (10 * NS_PER_S)
#define CLOSE_MS 1000
#define FDS_MAX 65536

int sensor_program_stats(const struct sensor_run *run, unsigned i, struct program_stats *ret)
{
	for (unsigned p = 0; run->tier && p < TIER_PROGRAMS_MAX && run->tier->programs[p].name; p++) {
		const struct bpf_program *prog =
			bpf_object__find_program_by_name(run->obj, run->tier->programs[p].name);
		int fd = prog ? bpf_program__fd(prog) : -1;
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);

		if (fd < 0 || i--)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &length))
			return -errno;
		*ret = (struct program_stats){ .name = bpf_program__name(prog),
					       .hook = bpf_program__section_name(prog),
					       .id = info.id,
					       .runs = info.run_cnt,
					       .run_ns = info.run_time_ns,
					       .misses = info.recursion_misses };
		return 0;
	}
	return -ENOENT;
}

/* ---- the helper: one byte on its descriptor 0 switches, an errno is the answer to "on" ---- */

enum { SWITCH_OFF, SWITCH_ON };

/* On 0 to 2, which libbpf would move its own descriptor away from. */
static void helper_keep_one_fd(int fd)
{
	long max = sysconf(_SC_OPEN_MAX);

	for (int i = 0; i <= STDERR_FILENO; i++)
		dup2(fd, i);
	if (!close_range(STDERR_FILENO + 1, ~0u, 0))
		return;
	for (int i = STDERR_FILENO + 1; i < (max < FDS_MAX ? max : FDS_MAX); i++)
		close(i);
}

static void helper_restrict(void)
{
	static const struct privilege_call calls[] = {
		{ .number = SCMP_SYS(read) },
		{ .number = SCMP_SYS(write) },
		{ .number = SCMP_SYS(close) },
		{ .number = SCMP_SYS(exit_group) },
		{ .number = SCMP_SYS(bpf), .nargs = 1, .args = { { 0, ~0u, BPF_ENABLE_STATS } } },
	};
	sigset_t all;
	char why[128];

	prctl(PR_SET_NAME, "tapio-stats", 0, 0, 0);
	/* Ctrl-C and systemd's stop reach the whole group: the agent decides when it is over. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (privilege_keep(1ull << CAP_SYS_ADMIN, why, sizeof(why)))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Where the kernel has no seccomp it does without, as the agent does. */
	privilege_seccomp_only(calls, COUNT_OF(calls), why, sizeof(why));
}

static void __attribute__((noreturn)) helper_run(int fd)
{
	int stats = -1;
	char byte;

	helper_keep_one_fd(fd);
	helper_restrict();
	/* It ends when the agent's end of the socket has closed. */
	while (read(0, &byte, 1) == 1) {
		int err = 0;

		if (stats >= 0)
			close(stats);
		stats = byte == SWITCH_ON ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;
		if (byte == SWITCH_ON && stats < 0)
			err = errno;
		if (byte == SWITCH_ON && write(0, &err, sizeof(err)) != sizeof(err))
			break;
	}
	_exit(0);
}

static int helper_start(struct bpf_stats *s)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	s->helper = fork();
	if (!s->helper)
		helper_run(fds[1]);
	err = s->helper < 0 ? -errno : 0;
	close(fds[1]);
	if (err)
		close(fds[0]);
	else
		s->fd = fds[0];
	return err;
}

/* Whether it can be switched on at all: it is, for a moment. */
static int try_once(struct bpf_stats *s)
{
	_cleanup_close_ int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	int err = errno;

	if (fd >= 0)
		return 0;
	if (err == EPERM)
		snprintf(s->why, sizeof(s->why), "counting the run time of BPF programs takes CAP_SYS_ADMIN at the start");
	else if (err == EINVAL)
		snprintf(s->why, sizeof(s->why), "this kernel has no BPF_ENABLE_STATS (5.8 and later have)");
	else
		snprintf(s->why, sizeof(s->why), "BPF_ENABLE_STATS: %s", strerror(err));
	return err == EINVAL ? -EOPNOTSUPP : -err;
}

/* Up to `span`, so that a fleet does not sample in step. */
static uint64_t jitter(uint64_t span)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)getpid() * 2654435761u;
	return span * r >> 32;
}

int bpf_stats_open(struct bpf_stats *s, enum bpf_stats_mode mode)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->mode = mode;
	s->on_ns = NS_PER_S;
	s->period_ns = 60 * NS_PER_S;
	if (mode == BPF_STATS_OFF) {
		snprintf(s->why, sizeof(s->why), "switched off");
		return 0;
	}
	err = try_once(s);
	if (err)
		return err;
	err = helper_start(s);
	if (err)
		snprintf(s->why, sizeof(s->why), "starting the helper process: %s", strerror(-err));
	else
		s->next_ns = clock_ns(CLOCK_MONOTONIC) + jitter(4 * NS_PER_S);
	return err;
}

/* It is not killed: the agent's filter allows no signals to others. */
static void helper_leave(struct bpf_stats *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->state = BPF_STATS_IDLE;
	if (s->helper > 0 && waitpid(s->helper, NULL, WNOHANG))
		s->helper = 0;
}

void bpf_stats_close(struct bpf_stats *s)
{
	const struct timespec ms = { .tv_nsec = NS_PER_MS };

	if (s->helper <= 0)
		return;
	helper_leave(s);
	/* One that hangs goes with its parent. */
	for (unsigned i = 0; s->helper && i < CLOSE_MS; i++) {
		nanosleep(&ms, NULL);
		helper_leave(s);
	}
}

/* ---- windows ---- */

static uint64_t give_up(struct bpf_stats *s, const char *why)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	helper_leave(s);
	return UINT64_MAX;
}

static void each_program(struct bpf_stats *s, const struct sensor_run *runs,
			 void (*fn)(struct bpf_stats_sum *sum, const struct program_stats *now))
{
	for (unsigned id = 0; id < TAPIO_SENSOR_MAX; id++) {
		struct program_stats now;

		for (unsigned i = 0; i < TIER_PROGRAMS_MAX && !sensor_program_stats(&runs[id], i, &now); i++)
			fn(&s->sums[id][i], &now);
	}
}

static void window_begins(struct bpf_stats_sum *sum, const struct program_stats *now)
{
	sum->base_id = now->id;
	sum->base_runs = now->runs;
	sum->base_run_ns = now->run_ns;
}

/* A program that was loaded within the window has run for an unknown part of it: not counted. */
static void window_ends(struct bpf_stats_sum *sum, const struct program_stats *now)
{
	if (sum->base_id == now->id) {
		if (sum->id != now->id)
			sum->runs = sum->run_ns = 0;
		sum->id = now->id;
		sum->runs += now->runs - sum->base_runs;
		sum->run_ns += now->run_ns - sum->base_run_ns;
	}
	window_begins(sum, now);
}

static uint64_t ask(struct bpf_stats *s, uint64_t now_ns)
{
	const char on = SWITCH_ON;

	if (send(s->fd, &on, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return give_up(s, "the helper process has ended");
	s->state = BPF_STATS_ASKED;
	s->began_ns = now_ns;
	return s->next_ns = now_ns + ASK_NS;
}

static uint64_t answered(struct bpf_stats *s, const struct sensor_run *runs, uint64_t now_ns)
{
	int err;
	ssize_t n = recv(s->fd, &err, sizeof(err), MSG_DONTWAIT);
	char why[96];

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (now_ns - s->began_ns < PATIENCE_NS)
			return s->next_ns = now_ns + ASK_NS;
		return give_up(s, "the helper process does not answer");
	}
	if (n != sizeof(err))
		return give_up(s, "the helper process has ended");
	if (err) {
		snprintf(why, sizeof(why), "BPF_ENABLE_STATS: %s", strerror(err));
		return give_up(s, why);
	}
	s->state = BPF_STATS_COUNTING;
	s->began_ns = now_ns;
	each_program(s, runs, window_begins);
	return s->next_ns = now_ns + (s->mode == BPF_STATS_ALWAYS ? SETTLE_NS : s->on_ns);
}

static uint64_t settle(struct bpf_stats *s, const struct sensor_run *runs, uint64_t now_ns)
{
	const char off = SWITCH_OFF;
	uint64_t tenth = s->period_ns / 10;

	each_program(s, runs, window_ends);
	s->enabled_ns += now_ns - s->began_ns;
	s->began_ns = now_ns;
	s->windows++;
	if (s->mode == BPF_STATS_ALWAYS)
		return s->next_ns = now_ns + SETTLE_NS;
	if (send(s->fd, &off, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return give_up(s, "the helper process has ended");
	s->state = BPF_STATS_IDLE;
	return s->next_ns = now_ns + s->period_ns - s->on_ns - tenth + jitter(2 * tenth);
}

uint64_t bpf_stats_tick(struct bpf_stats *s, const struct sensor_run runs[TAPIO_SENSOR_MAX], uint64_t now_ns)
{
	if (s->helper <= 0 || s->fd < 0)
		return UINT64_MAX;
	if (now_ns < s->next_ns)
		return s->next_ns;
	switch (s->state) {
	case BPF_STATS_IDLE:
		return ask(s, now_ns);
	case BPF_STATS_ASKED:
		return answered(s, runs, now_ns);
	case BPF_STATS_COUNTING:
		return settle(s, runs, now_ns);
	}
	return UINT64_MAX;
}

int bpf_stats_of(const struct bpf_stats *s, const struct sensor_run *run, unsigned i, struct program_stats *ret)
{
	struct program_stats now;
	int err = i < TIER_PROGRAMS_MAX ? sensor_program_stats(run, i, &now) : -ENOENT;
	const struct bpf_stats_sum *sum;

	if (err)
		return err;
	sum = &s->sums[run->sensor->id][i];
	now.runs = sum->id == now.id ? sum->runs : 0;
	now.run_ns = sum->id == now.id ? sum->run_ns : 0;
	*ret = now;
	return 0;
}
