/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/host.h"
#include "collect/bpflog.h"

/* Control: 0.5 s of ten thousand processes per second. Multiples of a page, powers of two. */
const struct transport_options transport_defaults = {
	.ring_bytes = { [TAPIO_RING_CONTROL] = 4 << 20, [TAPIO_RING_BULK] = 8 << 20 },
};

/* The events of a sensor, and whether any of them goes through the bulk ring. */
static uint64_t events_of(unsigned sensor, bool *bulk)
{
	uint64_t events = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (!desc || desc->sensor != sensor)
			continue;
		events |= EVENT_BIT(type);
		*bulk |= desc->ring == TAPIO_RING_BULK;
	}
	return events;
}

/* The first that this machine has in a v1 hierarchy; systemd and all runtimes use all of them. */
static void find_legacy(struct legacy_hierarchy *ret)
{
	static const struct {
		const char *controller;
		uint32_t subsystem;
	} choices[] = {
		{ "pids", TAPIO_SUBSYSTEM_PIDS },
		{ "memory", TAPIO_SUBSYSTEM_MEMORY },
		{ "cpu", TAPIO_SUBSYSTEM_CPU },
		{ "devices", TAPIO_SUBSYSTEM_DEVICES },
	};

	for (size_t i = 0; i < COUNT_OF(choices) && !ret->subsystem; i++)
		if (!cgroup_legacy_find(choices[i].controller, &ret->number, ret->mount, sizeof(ret->mount))) {
			ret->subsystem = choices[i].subsystem;
			ret->controller = choices[i].controller;
		}
}

int collector_configure(struct collector *c)
{
	__u32 zero = 0;

	return bpf_map_update_elem(c->transport.settings_fd, &zero, &c->config, BPF_ANY) ? -errno : 0;
}

static int settings_write(struct collector *c, const struct collect_options *options)
{
	int filters = filter_apply(&options->filter, &c->transport);
	bool bulk = false;

	if (filters < 0)
		return filters;
	/* No event at all is not "all of them". */
	c->config.events = options->events ? options->events : EVENT_BIT(TAPIO_EV_INVALID);
	/* What the events of the dns sensor are made of: those of its programs that ask, ask for this. */
	if (options->events & events_of(TAPIO_SENSOR_DNS, &bulk))
		c->config.events |= EVENT_BIT(TAPIO_EV_DNS_PACKET);
	c->config.page_size = (__u32)sysconf(_SC_PAGESIZE);
	c->config.filters = (__u32)filters;
	c->config.events_per_second = options->events_per_second;
	c->config.legacy_hierarchy = c->legacy.number;
	/* In a pid namespace our number is another process's in the host's, which programs see. */
	c->config.self_tgid = options->self || !host_pid_namespace() ? 0 : (__u32)getpid();
	return collector_configure(c);
}

static void start_sensor(struct collector *c, const struct collect_options *options,
			 const struct sensor *sensor, uint64_t internal)
{
	struct ladder_options ladder = {
		.force = options->tiers[sensor->id],
		.legacy_subsystem = c->legacy.subsystem,
		.core_disabled = options->core_disabled | (feature(FEATURE_RINGBUF)->have ? 0 : CORE_RINGBUF),
	};
	bool bulk = false;

	memcpy(ladder.dns_ports, options->dns_ports, sizeof(ladder.dns_ports));
	ladder.events = events_of(sensor->id, &bulk) & (options->events | internal);
	if (ladder.events)
		ladder_climb(sensor, &ladder, &c->transport, &c->runs[sensor->id]);
}

/* What it takes to know cgroups by their ids, and to follow processes where records have no ids. */
#define IDENTITY_EVENTS                                                                            \
	(EVENT_BIT(TAPIO_EV_CGROUP_CREATED) | EVENT_BIT(TAPIO_EV_CGROUP_REMOVED) |                 \
	 EVENT_BIT(TAPIO_EV_CGROUP_RENAMED))
#define LINEAGE_EVENTS                                                                             \
	(EVENT_BIT(TAPIO_EV_CGROUP_ENTERED) | EVENT_BIT(TAPIO_EV_PROCESS_FORK) |                   \
	 EVENT_BIT(TAPIO_EV_PROCESS_EXIT))

/*
 * The cgroup sensor comes last: what it has to tell depends on what the others could not. `abi`
 * programs know one hierarchy at most, and in which one a runtime puts its containers is its own
 * choice.
 */
static void start_sensors(struct collector *c, const struct collect_options *options)
{
	const struct sensor *const *first, *const *end = sensors(&first);
	uint64_t internal = 0;

	for (const struct sensor *const *s = first; s < end; s++) {
		if ((*s)->id == TAPIO_SENSOR_CGROUP)
			continue;
		start_sensor(c, options, *s, 0);
		c->lineage |= c->runs[(*s)->id].tier && c->runs[(*s)->id].tier->abi;
	}
	c->lineage &= options->identity;
	if (options->identity)
		internal = IDENTITY_EVENTS | (c->lineage ? LINEAGE_EVENTS : 0);
	c->config.internal = internal;
	collector_configure(c);
	for (const struct sensor *const *s = first; s < end; s++)
		if ((*s)->id == TAPIO_SENSOR_CGROUP)
			start_sensor(c, options, *s, internal);
}

/* Perf buffers take three descriptors per CPU. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int collector_open(struct collector *c, const struct collect_options *options, char *why, size_t size)
{
	struct transport_options transport = options->transport;
	bool bulk = false;
	int err;

	memset(c, 0, sizeof(*c));
	for (unsigned id = 1; id < TAPIO_SENSOR_MAX; id++) {
		bool sends_bulk = false;

		if (events_of(id, &sends_bulk) & options->events)
			bulk |= sends_bulk;
	}
	if (!bulk)
		transport.ring_bytes[TAPIO_RING_BULK] = (size_t)sysconf(_SC_PAGESIZE);
	raise_fd_limit();
	find_legacy(&c->legacy);
	err = transport_open(&c->transport, &transport);
	if (err) {
		snprintf(why, size, "creating the shared maps: %s", strerror(-err));
		return err;
	}
	err = settings_write(c, options);
	if (!err)
		err = reader_open(&c->reader, &c->transport);
	if (err) {
		snprintf(why, size, "writing the settings: %s", strerror(-err));
		collector_close(c);
		return err;
	}
	start_sensors(c, options);
	malloc_trim(0); /* reading the kernel's BTF took megabytes that are not needed again */
	return 0;
}

void collector_detach(struct collector *c)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		sensor_detach(&c->runs[i]);
}

void collector_close(struct collector *c)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		sensor_close(&c->runs[i]);
	reader_close(&c->reader);
	transport_close(&c->transport);
}

/*
 * Before 5.1 only the kernel counts what a full perf buffer refused, for all sensors together: it is
 * told of the first one that sends there until the sums are settled. Later the programs know too.
 */
static void add_perf_lost(const struct collector *c, struct losses *ret)
{
	uint64_t kernel = reader_perf_lost(&c->reader), known = 0;

	for (unsigned s = 1; s < TAPIO_SENSOR_MAX; s++)
		known += ret->count[s][TAPIO_CAUSE_RING_FULL];
	for (unsigned s = 1; s < TAPIO_SENSOR_MAX && kernel > known; s++)
		if (c->runs[s].obj) {
			ret->count[s][TAPIO_CAUSE_PERF_FULL] += kernel - known;
			return;
		}
}

int collector_losses(struct collector *c, bool settled, struct losses *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned s = 1; s < TAPIO_SENSOR_MAX; s++) {
		struct tapio_counters counters;
		uint64_t unsent, *lost = ret->count[s];
		int err;

		if (!c->runs[s].obj)
			continue;
		c->runs[s].skipped = sensor_skipped_runs(&c->runs[s]);
		err = transport_counters(&c->transport, s, &counters);
		if (err)
			return err;
		for (unsigned i = 0; i < TAPIO_CAUSE_MAX; i++)
			lost[i] = counters.lost[i];
		lost[TAPIO_CAUSE_RUN_SKIPPED] += c->runs[s].skipped;
		/* Made, neither refused by the program nor received: overwritten unseen (perf before 5.1). */
		unsent = lost[TAPIO_CAUSE_RING_FULL] + lost[TAPIO_CAUSE_NO_SLOT] + c->received[s];
		if (settled && counters.made > unsent)
			lost[TAPIO_CAUSE_PERF_FULL] += counters.made - unsent;
	}
	if (!settled)
		add_perf_lost(c, ret);
	return 0;
}
