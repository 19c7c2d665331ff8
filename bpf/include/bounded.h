/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For every object, `abi` ones included. */
#ifndef TAPIO_BOUNDED_H
#define TAPIO_BOUNDED_H

#include "vmlinux_minimal.h"

/* Keeps x in [0, mask] in the verifier's eyes too: compilers drop masks that they prove needless. */
#define BOUNDED(x, mask)                                                                           \
	({                                                                                         \
		u64 bounded__ = (x);                                                               \
		asm volatile("%0 &= %1" : "+r"(bounded__) : "i"(mask));                            \
		bounded__;                                                                         \
	})

#endif
