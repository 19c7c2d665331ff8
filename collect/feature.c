/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/feature.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpus.h"
#include "base/host.h"
#include "collect/btf_search.h"
#include "collect/cgroup_root.h"
#include "collect/forecast.h"
#include "collect/tracefs.h"

/* A tracepoint that every kernel has and that the process sensor uses anyway. */
#define PROBE_TRACEPOINT "sched_process_exec"

static struct feature_result results[FEATURE_MAX];
static bool probed[FEATURE_MAX], denied[FEATURE_MAX];
static const char *btf_given;
static struct btf_choice btf_chosen = { .fd = -1 };

static const char *const names[FEATURE_MAX] = {
	[FEATURE_BTF] = "btf",
	[FEATURE_RINGBUF] = "ringbuf",
	[FEATURE_PERF_BUFFER] = "perf_buffer",
	[FEATURE_TP_BTF] = "tp_btf",
	[FEATURE_RAW_TP] = "raw_tp",
	[FEATURE_TRACEPOINT] = "tracepoint",
	[FEATURE_CGROUP_ID] = "cgroup_id",
	[FEATURE_BOOT_CLOCK] = "boot_clock",
	[FEATURE_PROBE_READ] = "probe_read",
	[FEATURE_CGROUP_SKB] = "cgroup_skb",
};

/* r0 = 0; exit */
static const struct bpf_insn return_0[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

__attribute__((format(printf, 2, 3))) static void say(struct feature_result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

/* "what: why", with the errno that the kernel gave. */
static void say_errno(struct feature_result *r, const char *what, int err)
{
	say(r, "%s: %s", what, strerror(err < 0 ? -err : err));
}

static void probe_btf(struct feature_result *r)
{
	r->have = !btf_choose(btf_given, &btf_chosen, r->why, sizeof(r->why));
}

/*
 * On PREEMPT_RT the ring buffer took a sleeping lock until 8b62645b09f8 (6.12), which stable kernels have taken over:
 * creating one works all the same. The kernel's types tell; without them, the version.
 */
static bool ringbuf_sleeps(void)
{
	struct tier_forecast forecast = {};
	struct btf_source own;
	char why[64];

	if (access("/sys/kernel/realtime", F_OK))
		return false;
	if (btf_load(KERNEL_BTF, &own, why, sizeof(why)))
		return !host_kernel_at_least(6, 12);
	foretell_ringbuf(&own.types, &forecast);
	btf_unload(&own);
	return forecast.foretold == FORETOLD_FAILS;
}

static void probe_ringbuf(struct feature_result *r)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "tapio_probe", 0, 0,
						(unsigned)sysconf(_SC_PAGESIZE), NULL);

	if (fd < 0)
		say_errno(r, "creating a ring buffer", errno);
	else if (ringbuf_sleeps())
		say(r, "PREEMPT_RT without 8b62645b09f8 (6.12): the ring buffer may sleep in atomic context");
	else
		r->have = true;
}

static void probe_perf_buffer(struct feature_result *r)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_BPF_OUTPUT,
					.size = sizeof(attr) };
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, "tapio_probe", 4, 4,
						 cpus_possible(), NULL);
	_cleanup_close_ int event = -1;

	if (map < 0) {
		say_errno(r, "creating a perf event array", errno);
		return;
	}
	event = (int)syscall(SYS_perf_event_open, &attr, -1, cpus_first_online(), -1,
			     PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		say(r, "perf_event_open: %s%s", strerror(errno), host_perf_hint(-errno));
	else
		r->have = true;
}

/* The verifier's last word, or the errno. */
static void say_verifier(struct feature_result *r, const char *what, int err, char *log)
{
	char *line = log, *last = NULL;

	for (char *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!strncmp(line, "Verification failed: ", 21)) /* 7.3 explains what was said above */
			break;
		if (*line && strncmp(line, "processed ", 10))
			last = line;
	}
	if (last)
		say(r, "%s: %s: %s", what, strerror(err), last);
	else
		say_errno(r, what, err);
}

static int load_return_0(enum bpf_prog_type type, const struct bpf_prog_load_opts *opts)
{
	return bpf_prog_load(type, "tapio_probe", "GPL", return_0, COUNT_OF(return_0), opts);
}

static void probe_tp_btf(struct feature_result *r)
{
	char log[1024] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP,
		    .log_buf = log, .log_size = sizeof(log), .log_level = 1);
	_cleanup_close_ int prog = -1, link = -1;
	int id = libbpf_find_vmlinux_btf_id(PROBE_TRACEPOINT, BPF_TRACE_RAW_TP);

	if (id < 0) {
		say_errno(r, "the kernel's own BTF does not describe tracepoint " PROBE_TRACEPOINT, id);
		return;
	}
	opts.attach_btf_id = (unsigned)id;
	prog = load_return_0(BPF_PROG_TYPE_TRACING, &opts);
	if (prog < 0) {
		say_verifier(r, "loading", errno, log);
		return;
	}
	link = bpf_raw_tracepoint_open(NULL, prog);
	if (link < 0)
		say_errno(r, "attaching", errno);
	else
		r->have = true;
}

static void probe_raw_tp(struct feature_result *r)
{
	_cleanup_close_ int prog = load_return_0(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL), link = -1;

	if (prog < 0) {
		say_errno(r, "loading", errno);
		return;
	}
	link = bpf_raw_tracepoint_open(PROBE_TRACEPOINT, prog);
	if (link < 0)
		say_errno(r, "attaching", errno);
	else
		r->have = true;
}

static void probe_tracepoint(struct feature_result *r)
{
	_cleanup_close_ int prog = -1, event = -1;

	if (tracefs_dir() < 0) {
		say(r, "%s", tracefs_why());
		return;
	}
	event = tracepoint_perf_open("sched/" PROBE_TRACEPOINT);
	if (event < 0) {
		say(r, "perf_event_open of sched:" PROBE_TRACEPOINT ": %s%s", strerror(-event), host_perf_hint(event));
		return;
	}
	prog = load_return_0(BPF_PROG_TYPE_TRACEPOINT, NULL);
	if (prog < 0)
		say_errno(r, "loading", errno);
	else if (ioctl(event, PERF_EVENT_IOC_SET_BPF, prog) && errno != EEXIST) /* 4.14: taken, so it works */
		say_errno(r, "attaching", errno);
	else
		r->have = true;
}

/* Called with a place on the stack, its size and a null pointer: what needs them gets them. */
static void probe_helper(struct feature_result *r, int helper)
{
	const struct bpf_insn call[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[1024] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log), .log_level = 1);
	_cleanup_close_ int prog = bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, "tapio_probe", "GPL", call,
						 COUNT_OF(call), &opts);

	if (prog < 0)
		say_verifier(r, "loading", errno, log);
	else
		r->have = true;
}

/* r0 = 1, which lets packets pass; exit */
static const struct bpf_insn return_1[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static void probe_cgroup_skb(struct feature_result *r)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_INGRESS);
	_cleanup_close_ int root = cgroup_root_open(r->why, sizeof(r->why)), prog = -1, link = -1;

	if (root < 0)
		return;
	prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "tapio_probe", "GPL", return_1, COUNT_OF(return_1), &opts);
	if (prog < 0) {
		say_errno(r, "loading", errno);
		return;
	}
	link = bpf_link_create(prog, root, BPF_CGROUP_INET_INGRESS, NULL);
	if (link < 0)
		say(r, "attaching to the root of cgroup v2: %s%s", strerror(errno),
		    errno == EPERM ? ": without CAP_NET_ADMIN, or beside a program that was attached to be alone" : "");
	else
		r->have = true;
}

static void probe(enum feature f, struct feature_result *r)
{
	switch (f) {
	case FEATURE_BTF:
		return probe_btf(r);
	case FEATURE_RINGBUF:
		return probe_ringbuf(r);
	case FEATURE_PERF_BUFFER:
		return probe_perf_buffer(r);
	case FEATURE_TP_BTF:
		return probe_tp_btf(r);
	case FEATURE_RAW_TP:
		return probe_raw_tp(r);
	case FEATURE_TRACEPOINT:
		return probe_tracepoint(r);
	case FEATURE_CGROUP_ID:
		return probe_helper(r, BPF_FUNC_get_current_cgroup_id);
	case FEATURE_BOOT_CLOCK:
		return probe_helper(r, BPF_FUNC_ktime_get_boot_ns);
	case FEATURE_PROBE_READ:
		return probe_helper(r, BPF_FUNC_probe_read);
	case FEATURE_CGROUP_SKB:
		return probe_cgroup_skb(r);
	case FEATURE_MAX:
		break;
	}
}

const char *feature_name(enum feature f)
{
	return names[f];
}

const struct feature_result *feature(enum feature f)
{
	if (!probed[f]) {
		probed[f] = true;
		probe(f, &results[f]);
	}
	return &results[f];
}

void feature_deny(enum feature f, const char *why)
{
	probed[f] = denied[f] = true;
	results[f].have = false;
	say(&results[f], "%s", why);
}

void feature_ask_again(enum feature f)
{
	if (f == FEATURE_BTF)
		btf_drop(&btf_chosen);
	probed[f] = denied[f] = false;
	results[f] = (struct feature_result){};
}

const char *feature_denied(enum feature f)
{
	return denied[f] ? results[f].why : NULL;
}

void feature_use_btf(const char *path)
{
	btf_given = path;
}

const char *feature_btf_path(void)
{
	return feature(FEATURE_BTF)->have && btf_chosen.path[0] ? btf_chosen.path : NULL;
}
