/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/transport.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpus.h"

/* The smallest perf buffer that still holds two of the largest records. */
#define PERF_MIN_BYTES 65536u

/* What the kernel adds to key and value of a hash entry (struct htab_elem, its bucket), about. */
#define HASH_ENTRY_BYTES 64

static size_t power_of_two(size_t n, size_t least)
{
	size_t p = least;

	while (p * 2 <= n)
		p *= 2;
	return p;
}

static int maps_create(struct transport *t)
{
	struct {
		int *fd;
		enum bpf_map_type type;
		const char *name;
		unsigned key, value, entries;
	} maps[] = {
		{ &t->slots_fd, BPF_MAP_TYPE_ARRAY, "tapio_slots", 4, sizeof(struct tapio_slot),
		  t->cpus * TAPIO_SLOTS },
		{ &t->counts_fd, BPF_MAP_TYPE_PERCPU_ARRAY, "tapio_counts", 4,
		  sizeof(struct tapio_counters), TAPIO_SENSOR_MAX },
		{ &t->readers_fd, BPF_MAP_TYPE_ARRAY, "tapio_readers", 4, sizeof(struct tapio_reader),
		  TAPIO_RINGS },
		{ &t->settings_fd, BPF_MAP_TYPE_ARRAY, "tapio_settings", 4, sizeof(struct tapio_config), 1 },
		{ &t->filter_fd, BPF_MAP_TYPE_HASH, "tapio_filter", sizeof(struct tapio_filter_key), 4,
		  TAPIO_FILTER_KEYS_MAX },
		{ &t->cgroups_fd, BPF_MAP_TYPE_CGROUP_ARRAY, "tapio_cgroups", 4, 4,
		  TAPIO_FILTER_CGROUPS_MAX },
		{ &t->verdicts_fd, BPF_MAP_TYPE_HASH, "tapio_verdicts", sizeof(struct tapio_cgroup_key), 4,
		  TAPIO_VERDICTS_MAX },
		{ &t->budgets_fd, BPF_MAP_TYPE_LRU_HASH, "tapio_budgets", sizeof(struct tapio_budget_key),
		  sizeof(struct tapio_budget), TAPIO_BUDGETS_MAX },
		{ &t->beats_fd, BPF_MAP_TYPE_ARRAY, "tapio_beats", 4, 8, TAPIO_EV_MAX },
		{ &t->bell_fd, BPF_MAP_TYPE_PERF_EVENT_ARRAY, "tapio_bell", 4, 4, t->cpus },
	};

	for (size_t i = 0; i < COUNT_OF(maps); i++) {
		*maps[i].fd = bpf_map_create(maps[i].type, maps[i].name, maps[i].key, maps[i].value,
					     maps[i].entries, NULL);
		if (*maps[i].fd < 0)
			return -errno;
	}
	return 0;
}

static void transport_forget(struct transport *t)
{
	memset(t, 0, sizeof(*t));
	t->slots_fd = t->counts_fd = t->readers_fd = t->settings_fd = t->filter_fd = t->cgroups_fd = -1;
	t->verdicts_fd = t->budgets_fd = t->beats_fd = t->bell_fd = t->epoll_fd = -1;
	for (int i = 0; i < TAPIO_RINGS; i++)
		t->ring_fd[i] = t->perf_fd[i] = -1;
}

int transport_open(struct transport *t, const struct transport_options *options)
{
	int err;

	transport_forget(t);
	t->options = *options;
	t->cpus = cpus_possible();
	if (t->cpus > CPUS_MAX)
		return -E2BIG;
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll_fd < 0)
		return -errno;
	/* Both rings per CPU and the bells, and one ring buffer each. */
	t->queues = calloc((TAPIO_RINGS + 1) * t->cpus + TAPIO_RINGS, sizeof(*t->queues));
	t->perf_cpus = calloc(t->cpus, sizeof(*t->perf_cpus));
	err = t->queues && t->perf_cpus ? maps_create(t) : -ENOMEM;
	if (!err)
		err = transport_set_asleep(t, false);
	if (err)
		transport_close(t);
	return err;
}

/* Edge-triggered: data that waits is no news, a wake-up is. */
int transport_watch(struct transport *t, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* Takes back what a failed transport_use_* opened, so that it is not taken for open later. */
static void close_queues(struct transport *t, unsigned from, int fds[TAPIO_RINGS])
{
	while (t->nqueues > from)
		queue_close(&t->queues[--t->nqueues]);
	for (int i = 0; i < TAPIO_RINGS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int open_rings(struct transport *t)
{
	static const char *const names[TAPIO_RINGS] = { "tapio_control", "tapio_bulk" };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (uint8_t i = 0; i < TAPIO_RINGS; i++) {
		size_t bytes = power_of_two(t->options.ring_bytes[i], page);
		int err;

		t->ring_fd[i] = bpf_map_create(BPF_MAP_TYPE_RINGBUF, names[i], 0, 0, (__u32)bytes, NULL);
		if (t->ring_fd[i] < 0)
			return -errno;
		err = queue_open_ring(&t->queues[t->nqueues], t->ring_fd[i], i);
		if (err)
			return err;
		t->nqueues++;
		err = transport_watch(t, t->ring_fd[i]);
		if (err)
			return err;
	}
	return transport_set_awake(t);
}

int transport_use_ring(struct transport *t)
{
	unsigned before = t->nqueues;
	int err;

	if (t->ring_fd[0] >= 0)
		return 0;
	err = open_rings(t);
	if (err)
		close_queues(t, before, t->ring_fd);
	return err;
}

static int perf_open_cpus(struct transport *t, int map_fd, uint8_t ring, size_t bytes, bool bell)
{
	int err = -ENODEV;

	for (unsigned cpu = 0; cpu < t->cpus; cpu++) {
		if (!cpu_is_online(cpu))
			continue;
		err = queue_open_perf(&t->queues[t->nqueues], map_fd, ring, cpu, bytes, bell);
		if (err)
			return err;
		err = transport_watch(t, t->queues[t->nqueues++].fd);
		if (err)
			return err;
	}
	return err;
}

static int open_perf(struct transport *t)
{
	static const char *const names[TAPIO_RINGS] = { "tapio_control", "tapio_bulk" };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	for (uint8_t i = 0; i < TAPIO_RINGS; i++) {
		size_t least = t->options.ring_bytes[i] <= page ? page : PERF_MIN_BYTES;
		size_t bytes = power_of_two(t->options.ring_bytes[i] / t->cpus, least < page ? page : least);

		t->perf_fd[i] = bpf_map_create(BPF_MAP_TYPE_PERF_EVENT_ARRAY, names[i], 4, 4, t->cpus, NULL);
		if (t->perf_fd[i] < 0)
			return -errno;
		t->perf_bytes[i] = bytes;
		err = perf_open_cpus(t, t->perf_fd[i], i, bytes, false);
		if (err)
			return err;
	}
	t->bell_bytes = page;
	return perf_open_cpus(t, t->bell_fd, TAPIO_RING_CONTROL, page, true);
}

int transport_use_perf(struct transport *t)
{
	unsigned before = t->nqueues;
	int err;

	if (t->perf_fd[0] >= 0)
		return 0;
	err = open_perf(t);
	if (err)
		close_queues(t, before, t->perf_fd);
	return err;
}

int transport_attach(const struct transport *t, struct bpf_object *obj, bool perf)
{
	const int *rings = perf ? t->perf_fd : t->ring_fd;
	const struct {
		const char *name;
		int fd;
	} shared[] = {
		{ "tapio_control", rings[TAPIO_RING_CONTROL] },
		{ "tapio_bulk", rings[TAPIO_RING_BULK] },
		{ "tapio_bell", t->bell_fd },
		{ "tapio_slots", t->slots_fd },
		{ "tapio_counts", t->counts_fd },
		{ "tapio_readers", t->readers_fd },
		{ "tapio_settings", t->settings_fd },
		{ "tapio_filter", t->filter_fd },
		{ "tapio_cgroups", t->cgroups_fd },
		{ "tapio_verdicts", t->verdicts_fd },
		{ "tapio_budgets", t->budgets_fd },
		{ "tapio_beats", t->beats_fd },
	};

	for (size_t i = 0; i < COUNT_OF(shared); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, shared[i].name);
		int err;

		if (!map)
			continue;
		err = bpf_map__reuse_fd(map, shared[i].fd);
		if (err)
			return err;
	}
	return 0;
}

int transport_set_asleep(struct transport *t, bool asleep)
{
	for (__u32 i = 0; i < TAPIO_RINGS; i++) {
		struct tapio_reader reader = { .asleep = asleep,
					       .watermark_bytes = t->options.ring_bytes[i] / 4 };

		if (bpf_map_update_elem(t->readers_fd, &i, &reader, BPF_ANY))
			return -errno;
	}
	return 0;
}

int transport_counters(const struct transport *t, unsigned sensor, struct tapio_counters *ret)
{
	_cleanup_free_ struct tapio_counters *per_cpu = calloc(t->cpus, sizeof(*per_cpu));

	if (!per_cpu)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	if (bpf_map_lookup_elem(t->counts_fd, &sensor, per_cpu))
		return -errno;
	for (unsigned cpu = 0; cpu < t->cpus; cpu++) {
		ret->made += per_cpu[cpu].made;
		for (int i = 0; i < TAPIO_CAUSE_MAX; i++)
			ret->lost[i] += per_cpu[cpu].lost[i];
	}
	return 0;
}

size_t transport_fill(const struct transport *t, unsigned ring, size_t *ret_size)
{
	size_t used = 0;

	*ret_size = 0;
	for (unsigned i = 0; i < t->nqueues; i++) {
		if (t->queues[i].bell || t->queues[i].ring != ring)
			continue;
		*ret_size += t->queues[i].data_bytes;
		used += queue_fill(&t->queues[i]);
	}
	return used;
}

size_t transport_ring_bytes(const struct transport *t)
{
	size_t sum = 0;

	for (unsigned i = 0; i < t->nqueues; i++)
		sum += t->queues[i].data_bytes;
	return sum;
}

size_t transport_map_bytes(const struct transport *t)
{
	return (size_t)t->cpus * TAPIO_SLOTS * sizeof(struct tapio_slot) +
	       (size_t)t->cpus * TAPIO_SENSOR_MAX * sizeof(struct tapio_counters) +
	       TAPIO_FILTER_KEYS_MAX * (sizeof(struct tapio_filter_key) + HASH_ENTRY_BYTES) +
	       TAPIO_VERDICTS_MAX * (sizeof(struct tapio_cgroup_key) + HASH_ENTRY_BYTES) +
	       TAPIO_BUDGETS_MAX *
		       (sizeof(struct tapio_budget_key) + sizeof(struct tapio_budget) + HASH_ENTRY_BYTES);
}

void transport_close(struct transport *t)
{
	int fds[] = { t->slots_fd, t->counts_fd, t->readers_fd, t->settings_fd, t->filter_fd,
		      t->cgroups_fd, t->verdicts_fd, t->budgets_fd, t->beats_fd, t->bell_fd, t->ring_fd[0], t->ring_fd[1], t->perf_fd[0],
		      t->perf_fd[1], t->epoll_fd };

	for (unsigned i = 0; t->queues && i < t->nqueues; i++)
		queue_close(&t->queues[i]);
	free(t->queues);
	free(t->perf_cpus);
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	transport_forget(t);
}
