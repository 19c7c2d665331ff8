/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/privileges.h"

#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/cpus.h"
#include "base/host.h"
#include "base/privilege.h"
#include "collect/tracefs.h"
#include "export/names.h"

/* ---- when a use applies ---- */

struct question {
	const struct collector *c;
	const struct privilege_options *options;
};

static bool own_capabilities(const struct question *q)
{
	(void)q;
	return privilege_exists(CAP_BPF);
}

static bool no_own_capabilities(const struct question *q)
{
	return !own_capabilities(q);
}

static bool tracefs_to_mount(const struct question *q)
{
	(void)q;
	return tracefs_use() == TRACEFS_NOT_MOUNTED;
}

static bool tracefs_of_root(const struct question *q)
{
	(void)q;
	return tracefs_use() != TRACEFS_NOT_ASKED && geteuid() != 0;
}

static bool wants_dns(const struct question *q)
{
	return q->c->runs[TAPIO_SENSOR_DNS].sensor != NULL && own_capabilities(q);
}

/* From 6.9 CAP_SYS_ADMIN does for it too (a177fc2bf6fd): then it runs. */
static bool wants_packets(const struct question *q)
{
	const struct sensor_run *run = &q->c->runs[TAPIO_SENSOR_DNS];
	bool runs = run->tier && run->tier == run->sensor->tiers;

	return wants_dns(q) && !(runs && !(host_capabilities() >> CAP_NET_ADMIN & 1));
}

static bool wants_identity(const struct question *q)
{
	return q->options->identity;
}

/* Before 5.8 the privilege gives nothing. */
static bool wants_stats(const struct question *q)
{
	return q->options->stats && own_capabilities(q);
}

/* RLIMIT_MEMLOCK as the program found it: libbpf raises it where maps count against it. */
static struct rlimit memlock_at_start = { RLIM_INFINITY, RLIM_INFINITY };

static void __attribute__((constructor)) memlock_read(void)
{
	getrlimit(RLIMIT_MEMLOCK, &memlock_at_start);
}

/* That is so until 5.11, which this helper came with. */
static bool maps_are_locked(const struct question *q)
{
	(void)q;
	return memlock_at_start.rlim_max != RLIM_INFINITY &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCKET_FILTER, BPF_FUNC_ktime_get_coarse_ns, NULL) != 1;
}

static bool tried_perf_buffers(const struct collector *c)
{
	bool tried = false;

	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++)
		for (unsigned i = 0; c->runs[s].sensor && i < ladder_height(c->runs[s].sensor); i++)
			tried |= c->runs[s].results[i].state != TIER_NOT_TRIED &&
				 (c->runs[s].sensor->tiers[i].abi || !feature(FEATURE_RINGBUF)->have);
	return tried;
}

static size_t perf_unlocked_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/perf_event_mlock_kb", "re");
	unsigned kib = 0, cpus = 0;

	for (unsigned cpu = 0; cpu < cpus_possible(); cpu++)
		cpus += cpu_is_online(cpu);
	return f && fscanf(f, "%u", &kib) == 1 ? (size_t)kib * 1024 * cpus : 0;
}

/* Perf buffers may be as large as one sysctl and RLIMIT_MEMLOCK together. */
static bool perf_buffers_are_locked(const struct question *q)
{
	const size_t *ring = q->c->transport.options.ring_bytes;
	struct rlimit limit;
	size_t bytes = 0;

	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		bytes += ring[i];
	return tried_perf_buffers(q->c) && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	       bytes > limit.rlim_cur + perf_unlocked_bytes();
}

static int open_perf_event(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_BPF_OUTPUT,
					.size = sizeof(attr) };
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpus_first_online(), -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool privileges_perf_takes_admin(void)
{
	return host_perf_paranoid() > 2 && privilege_exists(CAP_PERFMON) &&
	       privilege_try(1ull << CAP_PERFMON, open_perf_event) == -EACCES;
}

static bool perf_of_admin(const struct question *q)
{
	return (tracefs_use() != TRACEFS_NOT_ASKED || tried_perf_buffers(q->c)) && privileges_perf_takes_admin();
}

/* ---- the table ---- */

static const struct {
	struct privilege p;
	bool (*applies)(const struct question *q);
} uses[] = {
	{ { CAP_BPF, true, "creating maps and loading programs, also when the configuration is read again",
	    "no sensor runs" }, own_capabilities },
	{ { CAP_PERFMON, true, "programs at tracepoints, which read kernel memory", "no sensor runs" }, own_capabilities },
	{ { CAP_SYS_ADMIN, true, "everything about BPF before Linux 5.8", "no sensor runs" }, no_own_capabilities },
	{ { CAP_NET_ADMIN, false, "programs on packets and sockets, at the root of cgroup v2",
	    "the best tiers of the dns sensor: it then follows system calls" }, wants_packets },
	{ { CAP_SYS_PTRACE, false, "whose the sockets are that speak DNS already, of other users' processes",
	    "the processes of DNS sockets that are older than Tapio" }, wants_dns },
	{ { CAP_SYS_ADMIN, false, "a private tracefs, because none is mounted at /sys/kernel/tracing",
	    "tiers with system call tracepoints: process.exec_failed, and all tiers without BTF" }, tracefs_to_mount },
	{ { CAP_SYS_ADMIN, false, "perf events, because kernel.perf_event_paranoid is above 2 (or set that to 2)",
	    "tiers with system call tracepoints: process.exec_failed; all tiers without BTF; all perf buffers" }, perf_of_admin },
	{ { CAP_SYS_ADMIN, false, "counting the run time of BPF programs (a helper process keeps it)",
	    "tapio_bpf_run_seconds_total and tapio_bpf_runs_total" }, wants_stats },
	{ { CAP_DAC_READ_SEARCH, true, "paths of cgroups by their ids, and the runtimes' state files",
	    "identity of processes that ended before they were looked at, and of files of other users" }, wants_identity },
	{ { CAP_DAC_READ_SEARCH, true, "tracefs, which only root may read",
	    "tiers with system call tracepoints: process.exec_failed, and all tiers without BTF" }, tracefs_of_root },
	{ { CAP_IPC_LOCK, true, "perf buffers larger than RLIMIT_MEMLOCK (or raise that: LimitMEMLOCK=infinity)",
	    "every tier that sends through perf buffers" }, perf_buffers_are_locked },
	{ { CAP_SYS_RESOURCE, false, "raising RLIMIT_MEMLOCK, against which maps count before 5.11",
	    "sensors whose maps do not fit" }, maps_are_locked },
};

_Static_assert(COUNT_OF(uses) <= PRIVILEGES_MAX, "PRIVILEGES_MAX");

unsigned privileges_list(const struct collector *c, const struct privilege_options *options,
			 struct privilege ret[PRIVILEGES_MAX])
{
	const struct question q = { c, options };
	unsigned n = 0;

	for (size_t i = 0; i < COUNT_OF(uses); i++)
		if (uses[i].applies(&q))
			ret[n++] = uses[i].p;
	return n;
}

uint64_t privileges_needed(const struct collector *c, const struct privilege_options *options, bool after_setup)
{
	struct privilege list[PRIVILEGES_MAX];
	unsigned n = privileges_list(c, options, list);
	uint64_t caps = 0;

	for (unsigned i = 0; i < n; i++)
		if (list[i].kept || !after_setup)
			caps |= 1ull << list[i].cap;
	return caps;
}

bool privilege_held(const struct privilege *p, uint64_t have)
{
	bool admin_does = p->cap == CAP_BPF || p->cap == CAP_PERFMON;

	return have >> p->cap & 1 || (admin_does && have >> CAP_SYS_ADMIN & 1);
}

/* ---- printing ---- */

/* Each name of a set, "CAP_SYS_ADMIN" as it is, or without its prefix, or as setpriv has it. */
static void add_names(struct buf *b, uint64_t caps, const char *between, bool prefix, bool lower)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		const char *name = caps >> cap & 1 ? cap_name(cap) : NULL;

		if (!name)
			continue;
		if (b->length)
			buf_adds(b, between);
		for (name += prefix ? 0 : strlen("CAP_"); *name; name++)
			buf_addc(b, lower ? (char)tolower((unsigned char)*name) : *name);
	}
}

static void print_pastes(uint64_t caps, FILE *to)
{
	struct buf setpriv = BUF_INIT(2048), unit = BUF_INIT(2048), pod = BUF_INIT(2048);

	add_names(&setpriv, caps, ",+", false, true);
	add_names(&unit, caps, " ", true, false);
	add_names(&pod, caps, ", ", false, false);
	fprintf(to, "\nto run with these and no others:\n");
	fprintf(to, "  setpriv --no-new-privs --inh-caps=-all,+%s --ambient-caps=-all,+%s --bounding-set=-all,+%s tapio run\n",
		buf_cstr(&setpriv), buf_cstr(&setpriv), buf_cstr(&setpriv));
	fprintf(to, "  systemd:    CapabilityBoundingSet=%s\n", buf_cstr(&unit));
	fprintf(to, "              AmbientCapabilities=%s\n", buf_cstr(&unit));
	fprintf(to, "  Kubernetes: securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [%s]}}\n",
		buf_cstr(&pod));
	buf_free(&setpriv);
	buf_free(&unit);
	buf_free(&pod);
}

void privileges_print(const struct collector *c, const struct privilege_options *options, uint64_t have, FILE *to)
{
	struct privilege list[PRIVILEGES_MAX];
	unsigned n = privileges_list(c, options, list);

	fprintf(to, "capabilities that 'tapio run' needs here\n");
	for (unsigned i = 0; i < n; i++)
		fprintf(to, "\n  %-20s %s, %s\n    for      %s\n    without  %s\n", cap_name(list[i].cap),
			privilege_held(&list[i], have) ? "held" : "MISSING",
			list[i].kept ? "kept" : "given up after set-up", list[i].what, list[i].lost);
	print_pastes(privileges_needed(c, options, false), to);
}
