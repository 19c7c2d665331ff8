/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS, for kernels without BTF: see dns.h. Everything there is kernel ABI; what is missing is the cgroup v1 of the
 * process, which only its task_struct tells.
 */
#define TAPIO_ABI
#include "vmlinux_minimal.h"
#include "emit.h"
#include "bpf/dns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
