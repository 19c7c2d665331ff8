/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes connections from a listening socket, on an event loop: a few per turn, so that a flood of
 * them does not hold up the loop. A process that is out of descriptors or memory leaves connections
 * waiting and looks again a moment later; libevent's own listener spins then.
 */
#ifndef EXPORT_ACCEPTOR_H
#define EXPORT_ACCEPTOR_H

#include <stdint.h>

struct event_base;
struct acceptor;

/*
 * Owns `fd`, which listens and is non-blocking. `take` owns the descriptor that it is given:
 * non-blocking, closed on exec. NULL: no memory; fd is closed then.
 */
struct acceptor *acceptor_open(struct event_base *base, int fd, void (*take)(void *arg, int fd), void *arg);

/* How often accepting failed for want of something. */
uint64_t acceptor_failures(const struct acceptor *acceptor);

void acceptor_close(struct acceptor *acceptor);

#endif
