/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perf buffers of CPUs that came back, or came late.
 *
 * A CPU that goes offline takes its perf events with it: what runs on it after its return finds them dead,
 * and what is sent there is refused. That is how it is noticed, without asking who is online, which would
 * miss a short absence: on this CPU records were refused, and yet its buffers are empty and nothing came
 * out of them for as long. Buffers that live refuse only when they are full.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/transport.h"

static int refused_by_cpu(const struct transport *t, uint64_t *ret)
{
	_cleanup_free_ struct tapio_counters *counters = calloc(t->cpus, sizeof(*counters));

	if (!counters)
		return -ENOMEM;
	for (__u32 s = 1; s < TAPIO_SENSOR_MAX; s++) {
		if (bpf_map_lookup_elem(t->counts_fd, &s, counters))
			return -errno;
		for (unsigned cpu = 0; cpu < t->cpus; cpu++)
			ret[cpu] += counters[cpu].lost[TAPIO_CAUSE_RING_FULL];
	}
	return 0;
}

static struct queue *queue_of(const struct transport *t, unsigned cpu, unsigned ring, bool bell)
{
	for (unsigned i = 0; i < t->nqueues; i++) {
		struct queue *q = &t->queues[i];

		if (q->perf && q->cpu == cpu && q->ring == ring && q->bell == bell)
			return q;
	}
	return NULL;
}

/* Whether nothing has come out of a CPU's buffers since the last time. Notes where they are. */
static bool is_still(struct transport *t, unsigned cpu)
{
	bool still = true;

	for (unsigned ring = 0; ring < TAPIO_RINGS; ring++) {
		const struct queue *q = queue_of(t, cpu, ring, false);
		uint64_t position = q ? q->position : 0;

		still &= position == t->perf_cpus[cpu].position[ring] && !(q && queue_fill(q));
		t->perf_cpus[cpu].position[ring] = position;
	}
	return still;
}

/* The new one first: when the CPU has gone again, the old one stays to be tried the next time. */
static int reopen(struct transport *t, unsigned cpu, unsigned ring, bool bell)
{
	int map_fd = bell ? t->bell_fd : t->perf_fd[ring], err;
	struct queue *old = queue_of(t, cpu, ring, bell), new;

	err = queue_open_perf(&new, map_fd, (uint8_t)ring, cpu, bell ? t->bell_bytes : t->perf_bytes[ring], bell);
	if (err)
		return err;
	err = transport_watch(t, new.fd);
	if (err) {
		queue_close(&new);
		return err;
	}
	if (!old) {
		t->queues[t->nqueues++] = new;
		return 0;
	}
	new.perf_lost = old->perf_lost;
	queue_close(old);
	*old = new;
	return 0;
}

static int revive(struct transport *t, unsigned cpu)
{
	int err = 0;

	for (unsigned ring = 0; !err && ring < TAPIO_RINGS; ring++)
		err = reopen(t, cpu, ring, false);
	if (!err)
		err = reopen(t, cpu, TAPIO_RING_CONTROL, true);
	for (unsigned ring = 0; ring < TAPIO_RINGS; ring++)
		t->perf_cpus[cpu].position[ring] = 0;
	return err;
}

unsigned transport_revive(struct transport *t)
{
	_cleanup_free_ uint64_t *refused = NULL;
	unsigned revived = 0;

	/* Where there are ring buffers as well, who refused is not known. */
	if (t->perf_fd[0] < 0 || t->ring_fd[0] >= 0)
		return 0;
	refused = calloc(t->cpus, sizeof(*refused));
	if (!refused || refused_by_cpu(t, refused))
		return 0;
	for (unsigned cpu = 0; cpu < t->cpus; cpu++) {
		bool still = is_still(t, cpu), grew = refused[cpu] > t->perf_cpus[cpu].refused;

		t->perf_cpus[cpu].refused = refused[cpu];
		if (grew && still)
			revived += !revive(t, cpu);
	}
	return revived;
}
