/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/memory.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "cli/dns_metrics.h"
#include "export/http.h"
#include "export/stream.h"
#include "identity/who.h"

/* The program itself, once loaded: figure 13, and what libbpf leaves of reading the kernel's BTF. */
#define PROGRAM_BYTES (12u << 20)

struct memory_options memory_options_of(const struct config *config)
{
	struct memory_options o = { .cgroups = config->cgroups, .http = config->listen, .socket = config->socket };

	for (unsigned i = 0; i < config->nsinks; i++)
		o.queue_bytes += config->sinks[i].queue_bytes;
	return o;
}

struct parts {
	struct memory_part *list;
	unsigned n;
};

__attribute__((format(printf, 4, 5))) static void part(struct parts *p, const char *what, uint64_t bytes,
						       const char *fmt, ...)
{
	struct memory_part *part = &p->list[p->n];
	va_list ap;

	if (!bytes || p->n == MEMORY_PARTS_MAX)
		return;
	part->what = what;
	part->bytes = bytes;
	va_start(ap, fmt);
	vsnprintf(part->how, sizeof(part->how), fmt, ap);
	va_end(ap);
	p->n++;
}

static uint64_t sensor_maps(const struct collector *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		sum += sensor_map_bytes(&c->runs[i]);
	return sum;
}

unsigned memory_parts(const struct collector *c, const struct memory_options *options,
		      struct memory_part ret[MEMORY_PARTS_MAX])
{
	const struct transport *t = &c->transport;
	uint64_t slots = (uint64_t)t->cpus * TAPIO_SLOTS * sizeof(struct tapio_slot);
	struct parts p = { .list = ret };

	part(&p, "program", PROGRAM_BYTES, "code, libraries, stacks");
	part(&p, "rings", transport_ring_bytes(t), "buffers.control + buffers.bulk, for all CPUs together");
	part(&p, "scratch", slots, "%u CPUs x %u slots x %zu bytes", t->cpus, TAPIO_SLOTS,
	     sizeof(struct tapio_slot));
	part(&p, "shared maps", transport_map_bytes(t) - slots, "counters, filters, %u budgets, %u verdicts",
	     TAPIO_BUDGETS_MAX, TAPIO_VERDICTS_MAX);
	part(&p, "sensors' maps", sensor_maps(c), "what they remember between two hooks");
	part(&p, "cgroups", options->cgroups * (sizeof(struct group) + WHO_BYTES_PER_GROUP),
	     "limits.cgroups %u x %llu bytes", options->cgroups,
	     (unsigned long long)(sizeof(struct group) + WHO_BYTES_PER_GROUP));
	part(&p, "look-ups", RESOLVER_QUEUE_MAX * (sizeof(struct question) + sizeof(struct answer) + 512),
	     "%u questions and answers", RESOLVER_QUEUE_MAX);
	part(&p, "processes", c->lineage ? LINEAGE_MAX * (sizeof(struct process) + 4) : 0,
	     "%u followed, because records do not tell their cgroups here", LINEAGE_MAX);
	part(&p, "dns", c->runs[TAPIO_SENSOR_DNS].tier ? dns_memory_max(DNS_LOOKUPS_MAX) + dns_summary_memory(&dns_metrics_options) : 0,
	     "%u lookups, TCP streams, and sums of %u clients and %u servers", DNS_LOOKUPS_MAX, dns_metrics_options.clients,
	     dns_metrics_options.servers);
	part(&p, "sinks", options->queue_bytes, "the queues of all sinks");
	part(&p, "clients", options->socket ? STREAM_CLIENTS_MAX * (uint64_t)STREAM_BACKLOG_MAX : 0,
	     "%u of the socket x %u bytes", STREAM_CLIENTS_MAX, STREAM_BACKLOG_MAX);
	part(&p, "HTTP", options->http ? HTTP_PENDING_MAX : 0, "responses that wait to be sent");
	return p.n;
}

uint64_t memory_sum(const struct memory_part *parts, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += parts[i].bytes;
	return sum;
}

static uint64_t read_number(const char *mount, const char *path, const char *file)
{
	_cleanup_fclose_ FILE *f = NULL;
	unsigned long long value = 0;
	char name[4608];

	if (!mount || !path || snprintf(name, sizeof(name), "%s%s/%s", mount, path, file) >= (int)sizeof(name))
		return 0;
	f = fopen(name, "re");
	return f && fscanf(f, "%llu", &value) == 1 ? value : 0;
}

uint64_t memory_resident(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long size, resident;

	return f && fscanf(f, "%llu %llu", &size, &resident) == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n - (n != 0); /* the one that reads this */
}

uint64_t memory_of_own_cgroup(void)
{
	struct resolver_options o = { .legacy_hierarchy = 0 };
	struct cgroup_paths paths;
	char legacy[256] = "";
	uint64_t bytes;

	cgroup_mode_detect(&o.v2_mount);
	if (!cgroup_legacy_find("memory", &o.legacy_hierarchy, legacy, sizeof(legacy)))
		o.legacy_mount = legacy;
	if (cgroup_paths_of_process(&o, "self", &paths))
		return 0;
	bytes = read_number(o.v2_mount, paths.v2, "memory.current");
	if (!bytes && o.legacy_mount && paths.legacy && strcmp(paths.legacy, "/"))
		bytes = read_number(o.legacy_mount, paths.legacy, "memory.usage_in_bytes");
	cgroup_paths_free(&paths);
	return bytes;
}
