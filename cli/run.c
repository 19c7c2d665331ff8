/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands that load programs have in common. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/host.h"
#include "base/log.h"
#include "cli/cli.h"
#include "collect/bpflog.h"

int usage_error(const char *command, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: %s; see 'tapio %s --help'", command, text, command);
	return STATUS_USAGE;
}

bool stdout_failed(const char *command)
{
	/* A large write may have failed already and left nothing to flush. */
	if ((!fflush(stdout) && !ferror(stdout)) || errno == EPIPE)
		return false;
	log_error("%s: writing to stdout: %s", command, strerror(errno));
	return true;
}

static const struct sensor *sensor_find(const char *name, size_t n)
{
	const struct sensor *const *s, *const *end = sensors(&s);

	for (; s < end; s++)
		if (strlen(sensor_name((*s)->id)) == n && !strncmp(sensor_name((*s)->id), name, n))
			return *s;
	return NULL;
}

/* "SENSOR=TIER" */
static int force_tier(struct run_options *run, const char *arg)
{
	size_t n = strcspn(arg, "=");
	const struct sensor *sensor = sensor_find(arg, n);
	char names[256] = "";

	if (!arg[n]) {
		log_error("--tier %s: not of the form SENSOR=TIER, as in process=raw_tp", arg);
		return STATUS_USAGE;
	}
	if (!sensor) {
		log_error("--tier %s: no sensor of this name; 'tapio check' lists them", arg);
		return STATUS_USAGE;
	}
	for (unsigned i = 0; i < ladder_height(sensor); i++) {
		const char *tier = sensor->tiers[i].name;

		if (!strcmp(tier, arg + n + 1)) {
			run->collect.tiers[sensor->id] = tier;
			return STATUS_OK;
		}
		snprintf(names + strlen(names), sizeof(names) - strlen(names), " %s", tier);
	}
	log_error("--tier %s: the tiers of this sensor are:%s", arg, names);
	return STATUS_USAGE;
}

int run_option(struct run_options *run, int opt, const char *arg)
{
	switch (opt) {
	case OPT_TIER:
		return force_tier(run, arg);
	case OPT_NO_RINGBUF:
		feature_deny(FEATURE_RINGBUF, "switched off by --no-ringbuf");
		return STATUS_OK;
	case OPT_NO_BTF:
		feature_deny(FEATURE_BTF, "switched off by --no-btf");
		return STATUS_OK;
	case OPT_BTF:
		if (access(arg, R_OK)) {
			log_error("--btf %s: %s", arg, strerror(errno));
			return STATUS_USAGE;
		}
		feature_use_btf(arg);
		if (!feature_denied(FEATURE_BTF) && !feature(FEATURE_BTF)->have) {
			log_error("--btf %s", feature(FEATURE_BTF)->why);
			return STATUS_USAGE;
		}
		return STATUS_OK;
	case 'v':
		log_max = LOG_DEBUG;
		return STATUS_OK;
	default:
		return -1;
	}
}

/*
 * Bits of the events of one collector or sensor, those that are off by default left out; unless a
 * sensor is named that has no others.
 */
static uint64_t events_of_name(const char *name)
{
	uint64_t events = 0, off = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);
		bool by_sensor = desc && desc->sensor && name && !strcmp(name, sensor_name(desc->sensor));

		if (!desc || !desc->sensor)
			continue;
		if (!name || by_sensor || !strcmp(name, collector_name(desc->sensor)))
			*(desc->off ? &off : &events) |= by_sensor || !desc->off ? EVENT_BIT(type) : 0;
	}
	return events ? events : off;
}

int select_collectors(struct run_options *run, int n, char **names)
{
	if (!n)
		run->collect.events = events_of_name(NULL);
	for (int i = 0; i < n; i++) {
		uint64_t events = events_of_name(names[i]);

		if (!events) {
			log_error("%s: no such collector or sensor; 'tapio check' lists them", names[i]);
			return STATUS_USAGE;
		}
		run->collect.events |= events;
	}
	return STATUS_OK;
}

int check_host(const char *command)
{
	struct utsname u = { .release = "(unknown)" };
	char why[256];

	uname(&u);
	if (!host_kernel_at_least(4, 14)) {
		log_error("Linux %s is not supported: Tapio needs 4.14 or later, because older kernels lack the tracepoint programs that it is made of",
			  u.release);
		return STATUS_UNSUPPORTED;
	}
	if (!host_may_trace(command, why, sizeof(why))) {
		log_error("%s: %s", command, why);
		return STATUS_USAGE;
	}
	bpflog_init();
	return STATUS_OK;
}

void warn_about_view(void)
{
	if (!host_pid_namespace())
		log_warn("this is not the host's pid namespace: process ids in events are the host's, and /proc here shows others; give hostPID: true (Kubernetes) or --pid=host (docker)");
	if (!host_cgroup_namespace())
		log_warn("this is not the host's cgroup namespace: cgroup paths cannot be resolved here; mount the host's /sys/fs/cgroup and use its cgroup namespace (docker: --cgroupns=host)");
}

const char *support_level(const struct collector *c)
{
	bool any = false, abi = false, less = !feature(FEATURE_RINGBUF)->have;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct tier *tier = c->runs[i].tier;

		if (!tier)
			continue;
		any = true;
		abi |= tier->abi;
		less |= tier->loses != NULL;
	}
	if (!any)
		return "no";
	return abi ? "fallback" : less ? "partial" : "full";
}

static void absent_add(struct event_absent *absent, struct buf *json, const struct event_field *field,
		       unsigned index)
{
	if (!(absent->mask >> index & 1)) {
		absent->mask |= 1ull << index;
		buf_printf(json, "%s\"%s\"", json->length ? "," : "[", field->name);
	}
}

static int absent_of_event(struct event_absent *absent, const struct tier *tier, const struct event_desc *desc)
{
	struct buf json = BUF_INIT(8192);

	for (unsigned i = 0; i < event_ncommon; i++)
		if (tier_gives(tier, desc, event_common[i].name) == GIVES_NOTHING)
			absent_add(absent, &json, &event_common[i], i);
	for (unsigned i = 0; i < desc->nfields; i++)
		if (desc->fields[i].name && tier_gives(tier, desc, desc->fields[i].name) == GIVES_NOTHING)
			absent_add(absent, &json, &desc->fields[i], event_ncommon + i);
	if (!json.length)
		return 0;
	buf_adds(&json, "]");
	absent->json = strdup(buf_cstr(&json));
	buf_free(&json);
	return absent->json ? 0 : -ENOMEM;
}

int absent_from_tiers(struct pipeline *p, const struct collector *c)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);
		const struct tier *tier = desc ? c->runs[desc->sensor].tier : NULL;
		int err = tier ? absent_of_event(&p->absent[type], tier, desc) : 0;

		if (err)
			return err;
	}
	return 0;
}
