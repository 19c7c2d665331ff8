/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdint.h>

/* A decimal number and nothing else, at most `max`. 0, -EINVAL or -ERANGE. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);

/* "10", "1.5", "500ms", "2m", "1h" into nanoseconds; without a unit seconds. 0, -EINVAL or -ERANGE. */
int parse_duration(const char *text, uint64_t *ret_ns);

/* "53,5353": 1 to `max` (16 at most) different ports; the rest of ret is 0. 0 or -EINVAL. */
int parse_ports(const char *text, uint16_t *ret, unsigned max);

#endif
