/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/check.h"
#include "cli/cli.h"
#include "export/names.h"

const char *check_hook(const struct sensor_run *run, unsigned type, unsigned *pos)
{
	while (run->tier && *pos < TIER_PROGRAMS_MAX && run->tier->programs[*pos].name) {
		const struct program_ref *program = &run->tier->programs[(*pos)++];
		const char *hook = sensor_hook(run, program->name);

		if (hook && (program->events & EVENT_BIT(type)))
			return hook;
	}
	return NULL;
}

static bool hooks_into(const struct sensor_run *run, const char *prefix)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const char *hook;

		for (unsigned pos = 0; (hook = check_hook(run, type, &pos));)
			if (!strncmp(hook, prefix, strlen(prefix)))
				return true;
	}
	return false;
}

bool check_taxes_syscalls(const struct sensor_run *run)
{
	return hooks_into(run, "tp/syscalls/");
}

const char *check_transport(const struct check *check)
{
	bool ring = check->collector.transport.ring_fd[0] >= 0, perf = check->collector.transport.perf_fd[0] >= 0;

	return ring && perf ? "ring buffer and perf buffer" : ring ? "ring buffer" : "perf buffer";
}

/* Root has nearly all: then the missing ones say more. */
static void print_capabilities(uint64_t have, FILE *to)
{
	unsigned missing = 0, held = 0;

	for (unsigned i = 0; cap_name(i); i++)
		*(have >> i & 1 ? &held : &missing) += 1;
	fprintf(to, "  capabilities ");
	if (!missing || !held || held > missing)
		fprintf(to, missing ? (held ? " all but" : " none") : " all");
	for (unsigned i = 0; held && cap_name(i); i++)
		if ((have >> i & 1) == (held <= missing))
			fprintf(to, " %s", cap_name(i));
	fprintf(to, "\n");
}

static void print_identity(const struct collector *c, FILE *to)
{
	const struct legacy_hierarchy *legacy = &c->legacy;

	fprintf(to, "  identity      ");
	if (c->lineage)
		fprintf(to, "processes are followed from parent to child, because records do not tell their cgroups");
	else
		fprintf(to, "records tell their cgroup in v2");
	if (legacy->subsystem && !c->lineage)
		fprintf(to, " and in the v1 hierarchy of %s", legacy->controller);
	fprintf(to, "%s\n", c->runs[TAPIO_SENSOR_CGROUP].tier ? "" : "; cgroups that are gone before they are looked at stay unknown");
}

static void print_host(const struct check *check, FILE *to)
{
	const struct feature_result *btf = feature(FEATURE_BTF), *ring = feature(FEATURE_RINGBUF);

	fprintf(to, "  BTF           %s%s\n", btf->have ? "" : "none: ", btf->why);
	fprintf(to, "  transport     %s%s%s\n", check_transport(check),
		ring->have ? "" : ": ", ring->why);
	fprintf(to, "  cgroups       %s%s%s\n", check->cgroup_mode, check->cgroup_v2 ? ", v2 at " : "",
		check->cgroup_v2 ? check->cgroup_v2 : "");
	print_identity(&check->collector, to);
	fprintf(to, "  lockdown      %s\n", check->lockdown);
	fprintf(to, "  namespaces    %s, %s\n", check->pid_ns ? "the host's for processes" : "NOT the host's for processes (hostPID: true gives it)",
		check->cgroup_ns ? "the host's for cgroups" : "NOT the host's for cgroups (docker: --cgroupns=host)");
	print_capabilities(check->capabilities, to);
}

static void print_ladder(const struct sensor_run *run, FILE *to)
{
	for (unsigned i = 0; i < ladder_height(run->sensor); i++) {
		const struct tier *tier = &run->sensor->tiers[i];
		const struct tier_result *result = &run->results[i];

		fprintf(to, "    %-20s %s%s\n", tier->name,
			result->state == TIER_RUNS ? "runs" :
			result->state == TIER_FAILED ? "does not run: " :
			result->why[0] ? "not tried: " : "not needed",
			result->why);
	}
}

/* Names of the fields that are given in one way, after a heading; nothing if there are none. */
static void print_fields(const struct tier *tier, const struct event_desc *desc, enum giving giving,
			 const char *heading, FILE *to)
{
	bool any = false;

	for (unsigned i = 0; i < event_common_count(desc) + desc->nfields; i++) {
		const struct event_field *f = i < event_common_count(desc) ?
						      &event_common[i] :
						      &desc->fields[i - event_common_count(desc)];

		if (!f->name || tier_gives(tier, desc, f->name) != giving)
			continue;
		fprintf(to, "%s%s", any ? ", " : heading, f->name);
		any = true;
	}
	if (any)
		fprintf(to, "\n");
}

static void print_event(const struct sensor_run *run, const struct event_desc *desc, FILE *to)
{
	const char *hook;

	fprintf(to, "    %-20s", desc->name);
	if (!run->tier || !tier_gives_event(run->tier, desc)) {
		fprintf(to, " absent: %s\n", run->tier ? "this tier does not give it" : "no tier runs");
		return;
	}
	for (unsigned pos = 0; (hook = check_hook(run, desc->type, &pos));)
		fprintf(to, " %s", hook);
	fprintf(to, "%s\n", desc->off ? " (off by default)" : "");
	print_fields(run->tier, desc, GIVES_DERIVED, "      derived: ", to);
	print_fields(run->tier, desc, GIVES_NOTHING, "      absent: ", to);
}

static void print_sensor(const struct sensor_run *run, FILE *to)
{
	unsigned id = run->sensor->id;

	fprintf(to, "\nsensor %s of collector %s: %s%s\n", sensor_name(id), collector_name(id),
		run->tier ? "tier " : "does not run", run->tier ? run->tier->name : "");
	fprintf(to, "  tiers, best first\n");
	print_ladder(run, to);
	fprintf(to, "  events and the hooks that serve them; fields are exact unless named\n");
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == id)
			print_event(run, desc, to);
	}
	if (run->tier && run->tier->derives_how)
		fprintf(to, "  derived: %s\n", run->tier->derives_how);
	if (check_taxes_syscalls(run))
		fprintf(to, "  cost: a hook on a system call slows every system call of the machine by tens of ns\n");
	if (hooks_into(run, "tp/syscalls/sys_enter_read"))
		fprintf(to, "  cost: each read, write, send and receive of every process takes about 100 ns more\n");
	if (!sensor_loss_is_provable(run))
		fprintf(to, "  loss is not provable here: this kernel does not count the runs of classic tracepoint programs that it skips (from 6.7 it does)\n");
}

static void print_memory(const struct check *check, FILE *to)
{
	const struct memory_options options = memory_options_of(check->config);
	struct memory_part parts[MEMORY_PARTS_MAX];
	unsigned n = memory_parts(&check->collector, &options, parts);

	fprintf(to, "\nmemory of 'tapio run', at most (limits.memory %.0f MiB)\n",
		(double)check->config->memory_bytes / (1 << 20));
	for (unsigned i = 0; i < n; i++)
		fprintf(to, "  %-14s%6.1f MiB  %s\n", parts[i].what, (double)parts[i].bytes / (1 << 20), parts[i].how);
	fprintf(to, "  %-14s%6.1f MiB\n", "together", (double)memory_sum(parts, n) / (1 << 20));
}

void check_print_text(const struct check *check, FILE *to)
{
	fprintf(to, "Tapio %s on Linux %s %s: %s support\n\n", TAPIO_VERSION, check->release, check->machine,
		check->level);
	print_host(check, to);
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (check->collector.runs[i].sensor)
			print_sensor(&check->collector.runs[i], to);
	print_memory(check, to);
	check_print_outlets(check->config, to);
}
