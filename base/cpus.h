/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs there are, from /sys/devices/system/cpu. */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

#include <stdbool.h>

#define CPUS_MAX 8192 /* NR_CPUS of the largest kernels */

/* Highest possible CPU number plus one; at least 1, and above CPUS_MAX where there are more. */
unsigned cpus_possible(void);

/* The first CPU that is online now. */
int cpus_first_online(void);

/* Whether CPU n is online now. */
bool cpu_is_online(unsigned n);

/* Parses "0-3,8,10-11" and sets ret[n]; returns the highest number plus one, 0 if unreadable. */
unsigned cpus_parse(const char *text, bool ret[CPUS_MAX]);

#endif
