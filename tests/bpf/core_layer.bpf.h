/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What core_layer.bpf.c tells tests/live/core_layer.c, in its only map `seen`. */
#ifndef TESTS_BPF_CORE_LAYER_H
#define TESTS_BPF_CORE_LAYER_H

#include "event/event.h"

/* One system call as seen at one of its ends. */
struct core_layer_call {
	__u64 count;
	__s64 number;
	__s64 result;
	__u64 args[6];
};

struct core_layer_seen {
	__u32 tgid; /* written by the test: whom to watch */
	__u32 call; /* and in which system call */
	struct core_layer_call enter, exit;
	__u64 has; /* of the CORE_* features, one by one */
	__u64 ring_and_clock; /* 1: CORE_HAS(both) */
	__u64 unheard_of;     /* 1: CORE_HAS(a feature that is none) */
	__u64 required;       /* 1: REQUIRE_CORE_FEATURES(both) let it pass */
	__u64 start_ns;
	__u64 cap_effective;
	__u64 cgroup_by_helper;
	__u64 cgroup_by_walk;
	__u32 vpid;
	__u32 pid_ns;
};

#endif
