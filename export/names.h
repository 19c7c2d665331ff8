/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of numbers that the kernel publishes. Every function returns a static string, or NULL
 * when it knows no symbol: the caller then prints the number.
 */
#ifndef EXPORT_NAMES_H
#define EXPORT_NAMES_H

/* 2: "ENOENT". Takes the positive number. */
const char *errno_name(int error);

/* 11: "SIGSEGV". Real-time signals have no symbol that all programs agree on: NULL. */
const char *signal_name(unsigned sig);

/* 12: "CAP_NET_ADMIN". */
const char *cap_name(unsigned cap);

#endif
