/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS, for kernels with BTF: see dns.h. */
#include "vmlinux_minimal.h"
#include "emit.h"

INIT_CORE_COMPAT();

#include "bpf/dns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
