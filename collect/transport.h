/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps that all objects share, and the rings that records come through.
 *
 * One ring buffer each for control and bulk where the kernel has ring buffers; a set of perf
 * buffers, one per CPU, for `abi` objects and for kernels without. Each is made when the first
 * object asks for it.
 */
#ifndef COLLECT_TRANSPORT_H
#define COLLECT_TRANSPORT_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "collect/ring.h"
#include "event/event.h"

struct transport_options {
	size_t ring_bytes[TAPIO_RINGS]; /* of one ring, or of all its perf buffers together */
};

/* What transport_revive saw the last time. */
struct perf_cpu {
	uint64_t refused;
	uint64_t position[TAPIO_RINGS];
};

struct transport {
	struct transport_options options;
	unsigned cpus;
	int slots_fd, counts_fd, readers_fd, settings_fd, filter_fd, cgroups_fd;
	int verdicts_fd, budgets_fd, beats_fd;
	int ring_fd[TAPIO_RINGS]; /* -1 until asked for */
	int perf_fd[TAPIO_RINGS];
	int bell_fd;
	size_t perf_bytes[TAPIO_RINGS], bell_bytes; /* of one CPU's buffer */
	struct perf_cpu *perf_cpus;
	struct queue *queues; /* all that records come through, the bells included */
	unsigned nqueues;
	int epoll_fd; /* becomes readable when a producer wakes us; the owner is the reader */
};

/* Makes the maps that need no decision. 0 or a negative errno; on error nothing is left. */
int transport_open(struct transport *t, const struct transport_options *options);

/* Opens the rings that an object sends through. 0 or a negative errno. */
int transport_use_ring(struct transport *t);
int transport_use_perf(struct transport *t);

/* Hands the shared maps to an opened, not yet loaded object. `perf`: it sends through perf buffers. */
int transport_attach(const struct transport *t, struct bpf_object *obj, bool perf);

/* Tells the producers whether the reader sleeps. */
int transport_set_asleep(struct transport *t, bool asleep);

/* Clears the mark of a watermark wake-up. */
static inline int transport_set_awake(struct transport *t)
{
	return transport_set_asleep(t, false);
}

/* Sums the counters of a sensor over all CPUs. 0 or a negative errno. */
int transport_counters(const struct transport *t, unsigned sensor, struct tapio_counters *ret);

/* Makes a wake-up through this descriptor one of epoll_fd's. 0 or a negative errno. */
int transport_watch(struct transport *t, int fd);

/*
 * Once a second or so, by the reader: opens the perf buffers of CPUs whose old ones are dead, or that had
 * none, because they were offline. Returns of how many. Until then what happens there is lost and counted.
 */
unsigned transport_revive(struct transport *t);

/* Bytes that wait in a ring, or in its buffers on all CPUs, and how many there is room for. */
size_t transport_fill(const struct transport *t, unsigned ring, size_t *ret_size);

/* Bytes that the rings take, counted once. */
size_t transport_ring_bytes(const struct transport *t);

/* Bytes of all shared maps but the rings. */
size_t transport_map_bytes(const struct transport *t);

void transport_close(struct transport *t);

#endif
