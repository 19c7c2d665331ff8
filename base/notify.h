/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager how we are: sd_notify(3)'s protocol, one datagram to $NOTIFY_SOCKET. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/*
 * Sends lines such as "READY=1\nSTATUS=7 sensors", "STOPPING=1" or "WATCHDOG=1". Never blocks.
 * 0, also where nobody wants to be told, or a negative errno: worth a debug message.
 */
int notify_send(const char *lines);

/* "RELOADING=1" and when: to be followed by "READY=1" when it is done. */
int notify_reloading(void);

/* How often the service manager wants to hear "WATCHDOG=1": half of its limit, in ns; 0: not at all. */
uint64_t notify_watchdog_ns(void);

#endif
