/* SPDX-License-Identifier: Apache-2.0 */
/* libbpf's messages: shown at debug level, and searched for the one line that says why. */
#ifndef COLLECT_BPFLOG_H
#define COLLECT_BPFLOG_H

#include <stddef.h>

/* Routes libbpf's printer into ours. Once, before the first use of libbpf. */
void bpflog_init(void);

/* Forgets what was collected so far. */
void bpflog_begin(void);

/* "program NAME: verifier: last line", or what libbpf complained about, or the errno. */
void bpflog_reason(int err, char *why, size_t size);

#endif
