/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel and this process can do, found out by doing the smallest real thing of each
 * kind. Results are kept: a second question costs nothing.
 */
#ifndef COLLECT_FEATURE_H
#define COLLECT_FEATURE_H

#include <stdbool.h>

enum feature {
	FEATURE_BTF,         /* type information of the running kernel, its own or supplied */
	FEATURE_RINGBUF,     /* BPF ring buffer that is safe in every context: 5.8 (RT: 6.12) */
	FEATURE_PERF_BUFFER, /* perf event array and its per-CPU buffers */
	FEATURE_TP_BTF,      /* BTF-typed raw tracepoints */
	FEATURE_RAW_TP,      /* raw tracepoints: 4.17 */
	FEATURE_TRACEPOINT,  /* classic tracepoints, which need tracefs */
	FEATURE_CGROUP_ID,   /* helper bpf_get_current_cgroup_id: 4.18 */
	FEATURE_BOOT_CLOCK,  /* helper bpf_ktime_get_boot_ns: 5.8 */
	FEATURE_PROBE_READ,  /* helper bpf_probe_read: not under lockdown=confidentiality */
	FEATURE_CGROUP_SKB,  /* programs on packets at the root of cgroup v2, as links: 5.7 */
	FEATURE_MAX
};

#define NEEDS(f) (1u << FEATURE_##f)

struct feature_result {
	bool have;
	char why[192]; /* why not, or where from */
};

const char *feature_name(enum feature f);
const struct feature_result *feature(enum feature f);

/* Takes a feature away for this run: "switched off by --no-ringbuf". Before its first use. */
void feature_deny(enum feature f, const char *why);
/* The reason that feature_deny was given, NULL if it was not called. */
const char *feature_denied(enum feature f);

/* Forgets what was found out, for who has changed what there is. */
void feature_ask_again(enum feature f);

/* A file with the kernel's BTF, instead of its own or of what is found (collect/btf_search.h). Borrowed. */
void feature_use_btf(const char *path);
/* What to give to libbpf as btf_custom_path: NULL for the kernel's own. Probes FEATURE_BTF. */
const char *feature_btf_path(void);

#endif
