/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/heartbeat.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/host.h"
#include "base/log.h"
#include "event/table.h"

/* What a child of ours passes through. */
static const unsigned felt[] = { TAPIO_EV_PROCESS_EXEC, TAPIO_EV_PROCESS_EXIT };

#define FELT (sizeof(felt) / sizeof(felt[0]))

static uint64_t beats_of(const struct collector *c, __u32 type)
{
	uint64_t beats = 0;

	bpf_map_lookup_elem(c->transport.beats_fd, &type, &beats);
	return beats;
}

/* Waits until its number is known to the programs, then becomes a short-lived program. */
static void child(int ready)
{
	char *const argv[] = { "tapio", "heartbeat", NULL }, *const envp[] = { NULL };
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(HEARTBEAT_WAIT_S); /* outlives execve; the agent itself may kill nobody (base/privilege.h) */
	if (read(ready, &byte, 1) == 0) /* its other end was closed */
		execve("/proc/self/exe", argv, envp);
	_exit(1);
}

static int send(struct heartbeat *h, struct collector *c)
{
	int ready[2], err = 0;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	h->child = fork();
	if (!h->child) {
		close(ready[1]);
		child(ready[0]);
	}
	if (h->child < 0)
		err = -errno;
	if (!err) {
		c->config.heartbeat_tgid = (__u32)h->child;
		err = collector_configure(c);
	}
	close(ready[0]);
	close(ready[1]);
	return err;
}

static bool is_wanted(const struct collector *c, unsigned type)
{
	const struct event_desc *desc = event_desc_by_type(type);
	const struct sensor_run *run = &c->runs[desc->sensor];

	return run->tier && (run->events & EVENT_BIT(type)) && tier_gives_event(run->tier, desc);
}

static void judge_sensors(struct heartbeat *h, const struct collector *c)
{
	for (size_t i = 0; i < FELT; i++)
		if (is_wanted(c, felt[i]))
			h->state[event_desc_by_type(felt[i])->sensor] = HEARTBEAT_ALIVE;
	for (size_t i = 0; i < FELT; i++)
		if (h->dead[felt[i]])
			h->state[event_desc_by_type(felt[i])->sensor] = HEARTBEAT_DEAD;
}

/* The child has ended well: which hooks have felt it? */
static void judge(struct heartbeat *h, const struct collector *c, uint64_t now_ns)
{
	for (size_t i = 0; i < FELT; i++) {
		const struct event_desc *desc = event_desc_by_type(felt[i]);
		bool dead = beats_of(c, felt[i]) <= h->beats[felt[i]];

		if (!is_wanted(c, felt[i]))
			continue;
		h->changed_ns[felt[i]] = now_ns;
		if (dead && !h->dead[felt[i]])
			log_error("sensor %s: the hook of %s is dead: a process of our own passed it unseen; restart the agent, and look who detaches BPF programs",
				  sensor_name(desc->sensor), desc->name);
		h->dead[felt[i]] = dead;
	}
	judge_sensors(h, c);
}

/* Not again at once. */
static void failed(struct heartbeat *h, uint64_t now_ns)
{
	h->failed++;
	for (size_t i = 0; i < FELT; i++)
		h->changed_ns[felt[i]] = now_ns;
}

static void finish(struct heartbeat *h, struct collector *c, uint64_t now_ns)
{
	siginfo_t info = { .si_pid = 0 };
	int status = 0;
	pid_t ended;

	if (!waitid(P_PID, (id_t)h->child, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid)
		return;
	h->sent_ns = 0;
	c->config.heartbeat_tgid = 0;
	collector_configure(c);
	/* Not before: a pid that is not reaped is nobody else's, whose records the programs would then keep back. */
	ended = waitpid(h->child, &status, WNOHANG);
	/* A child that could not run has shown nothing. */
	if (ended == h->child && WIFEXITED(status) && !WEXITSTATUS(status))
		judge(h, c, now_ns);
	else
		failed(h, now_ns);
}

static bool is_silent(struct heartbeat *h, unsigned type, const uint64_t *records, uint64_t now_ns)
{
	if (records[type] != h->seen[type] || !h->changed_ns[type]) {
		h->seen[type] = records[type];
		h->changed_ns[type] = now_ns;
	}
	return now_ns - h->changed_ns[type] >= (h->every_ns ? h->every_ns : HEARTBEAT_NS);
}

static bool is_due(struct heartbeat *h, const struct collector *c, const uint64_t *records, uint64_t now_ns)
{
	bool due = false;

	/* In another pid namespace our child's number is not the one that programs see. */
	if (!c->runs[TAPIO_SENSOR_PROCESS].tier || !host_pid_namespace())
		return false;
	for (size_t i = 0; i < FELT; i++)
		due |= is_wanted(c, felt[i]) && is_silent(h, felt[i], records, now_ns);
	return due;
}

void heartbeat_tick(struct heartbeat *h, struct collector *c, const uint64_t records[TAPIO_EV_MAX],
		    uint64_t now_ns)
{
	if (h->sent_ns) {
		finish(h, c, now_ns);
		return;
	}
	if (!is_due(h, c, records, now_ns))
		return;
	for (size_t i = 0; i < FELT; i++)
		h->beats[felt[i]] = beats_of(c, felt[i]);
	h->sent++;
	if (!send(h, c)) {
		h->sent_ns = now_ns;
		return;
	}
	failed(h, now_ns);
}

int cmd_heartbeat(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
