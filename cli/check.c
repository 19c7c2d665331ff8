/* SPDX-License-Identifier: Apache-2.0 */
/* tapio check: the capability contract. What runs here, how well, and why not better. */
#include "cli/check.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "base/log.h"
#include "cli/check_btf.h"
#include "cli/cli.h"
#include "collect/tracefs.h"

static const char help[] =
	"usage: tapio check [OPTION]... [COLLECTOR | SENSOR]...\n\n"
	"Loads and attaches every sensor for a moment and says what runs on this machine, at which tier,\n"
	"why each better tier does not, and which events and fields are exact, derived or absent.\n\n"
	"  -c, --config FILE       of 'tapio run' with this configuration; without, with the defaults\n"
	"      --json              print it as JSON (docs/CHECK.md describes it)\n"
	"      --privileges        print the capabilities that are needed here instead, for what, and what each costs\n"
	"      --require full|partial  exit with 1 unless support is full, or at least partial; repeatable\n"
	"      --require SENSOR=TIER  exit with 1 unless the sensor runs at this tier; repeatable\n"
	RUN_TIER_HELP
	"      --btf FILE|FOLDER   of another kernel, by its BTF alone: a kernel image, a vmlinux, BTF, or a folder\n"
	"                          of them; nothing is loaded\n"
	RUN_COMMON_HELP
	"\nExit status: 0 every sensor runs at some tier; 1 one does not, or a requirement is not met; 2 wrong\n"
	"usage or missing privilege; 3 unsupported kernel.\n";

enum { OPT_JSON = OPT_LAST, OPT_REQUIRE, OPT_PRIVILEGES };

#define REQUIRES_MAX 16

struct check_args {
	struct run_options run;
	const char *requires[REQUIRES_MAX];
	unsigned nrequires;
	bool json, privileges;
	const char *config_path;
	const char *btf; /* of another kernel */
	struct config config;
};

static int read_config(struct check_args *args)
{
	char why[CONFIG_WHY_MAX] = "no memory";
	int err = args->config_path ? config_read(args->config_path, &args->config, why, sizeof(why)) :
				      config_defaults(&args->config);

	if (err) {
		log_error("%s", why);
		return STATUS_USAGE;
	}
	for (unsigned i = 0; i < TAPIO_RINGS; i++)
		args->run.collect.transport.ring_bytes[i] = args->config.ring_bytes[i];
	return STATUS_OK;
}

static int parse_args(struct check_args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "privileges", no_argument, NULL, OPT_PRIVILEGES },
		{ "require", required_argument, NULL, OPT_REQUIRE },
		RUN_LONG_OPTIONS,
		{ 0 },
	};
	int opt, status = STATUS_OK;

	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:vh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return STATUS_OK;
		}
		if (opt == 'c')
			args->config_path = optarg;
		else if (opt == OPT_JSON)
			args->json = true;
		else if (opt == OPT_PRIVILEGES)
			args->privileges = true;
		else if (opt == OPT_BTF)
			args->btf = optarg;
		else if (opt == OPT_REQUIRE && args->nrequires == REQUIRES_MAX)
			return usage_error("check", "more than %d requirements", REQUIRES_MAX);
		else if (opt == OPT_REQUIRE)
			args->requires[args->nrequires++] = optarg;
		else if (opt == '?' || opt == ':')
			return usage_error("check", "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
		else
			status = run_option(&args->run, opt, optarg);
		if (status)
			return status;
	}
	status = read_config(args);
	if (!status)
		status = select_collectors(&args->run, argc - optind, argv + optind);
	if (!status && optind == argc)
		args->run.collect.events = ~0ull; /* also of sensors that are off by default */
	return status ? status : -1;
}

/* Events that are off by default are checked too. */
static void add_sibling_events(struct run_options *run)
{
	uint64_t wanted = run->collect.events;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		for (unsigned other = 0; desc && other < TAPIO_EV_MAX; other++) {
			const struct event_desc *sibling = event_desc_by_type(other);

			if (sibling && (wanted & EVENT_BIT(other)) && desc->sensor &&
			    sibling->sensor == desc->sensor)
				run->collect.events |= EVENT_BIT(type);
		}
	}
}

/* 1 if met, 0 if not, -1 if it is no requirement at all. */
static int require_met(const struct check *check, const char *require)
{
	const char *equals = strchr(require, '=');

	if (!strcmp(require, "full"))
		return !strcmp(check->level, "full");
	if (!strcmp(require, "partial"))
		return !strcmp(check->level, "full") || !strcmp(check->level, "partial");
	for (unsigned i = 0; equals && i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_run *run = &check->collector.runs[i];
		size_t n = (size_t)(equals - require);

		if (!run->sensor || strlen(sensor_name(i)) != n || strncmp(sensor_name(i), require, n))
			continue;
		for (unsigned k = 0; k < ladder_height(run->sensor); k++)
			if (!strcmp(run->sensor->tiers[k].name, equals + 1))
				return run->tier == &run->sensor->tiers[k];
	}
	return -1;
}

static void say_unmet(const struct check *check, const char *require)
{
	char tiers[512] = "";

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_run *run = &check->collector.runs[i];
		size_t n = strlen(tiers);

		if (run->sensor)
			snprintf(tiers + n, sizeof(tiers) - n, " %s=%s", sensor_name(i),
				 run->tier ? run->tier->name : "none");
	}
	log_error("check: --require %s: not met: support here is %s:%s", require, check->level, tiers);
}

static int judge(const struct check *check, const struct check_args *args)
{
	int status = STATUS_OK;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (check->collector.runs[i].sensor && !check->collector.runs[i].tier)
			status = STATUS_FAILED;
	for (unsigned i = 0; i < args->nrequires; i++) {
		int met = require_met(check, args->requires[i]);

		if (met < 0)
			return usage_error("check", "--require %s: neither full, partial nor SENSOR=TIER of a sensor checked here",
					   args->requires[i]);
		if (!met) {
			say_unmet(check, args->requires[i]);
			status = STATUS_FAILED;
		}
	}
	return status;
}

static struct privilege_options privileges_of(const struct config *config)
{
	return (struct privilege_options){ .identity = true, .stats = config->bpf_stats != CONFIG_STATS_OFF };
}

void check_look_around(struct check *check)
{
	struct utsname u;

	uname(&u);
	snprintf(check->release, sizeof(check->release), "%s", u.release);
	snprintf(check->machine, sizeof(check->machine), "%s", u.machine);
	check->cgroup_mode = cgroup_mode_name(cgroup_mode_detect(&check->cgroup_v2));
	check->lockdown = host_lockdown();
	check->capabilities = host_capabilities();
	check->pid_ns = host_pid_namespace();
	check->cgroup_ns = host_cgroup_namespace();
	check->privileges = privileges_of(check->config);
	check->level = support_level(&check->collector);
}

/* No sensor could be tried: what is needed in any case, and the tracefs that most of them want. */
static void print_privileges_untried(const struct config *config)
{
	static const struct collector none;
	const struct privilege_options options = privileges_of(config);

	tracefs_dir();
	privileges_print(&none, &options, host_capabilities(), stdout);
}

/* By its types: nothing of this machine matters. */
static int check_other(struct check_args *args)
{
	const struct check_btf other = { .path = args->btf, .run = &args->run, .requires = args->requires,
					 .nrequires = args->nrequires, .json = args->json };
	int status;

	add_sibling_events(&args->run);
	status = args->privileges ? usage_error("check", "--privileges: of this machine alone, not with --btf") :
				    check_btf(&other);
	config_free(&args->config);
	return status;
}

int cmd_check(int argc, char **argv)
{
	static struct check check;
	static struct check_args args;
	char why[256];
	int status;

	args.run.collect.transport = transport_defaults;
	status = parse_args(&args, argc, argv);

	if (status >= 0)
		return status;
	if (args.btf)
		return check_other(&args);
	status = check_host("check");
	if (status == STATUS_USAGE && args.privileges)
		print_privileges_untried(&args.config);
	if (status)
		return status;
	args.run.collect.identity = true;
	check.config = &args.config;
	add_sibling_events(&args.run);
	if (collector_open(&check.collector, &args.run.collect, why, sizeof(why))) {
		log_error("check: %s", why);
		return STATUS_FAILED;
	}
	check_look_around(&check);
	status = judge(&check, &args);
	if (status == STATUS_USAGE)
		;
	else if (args.json)
		check_print_json(&check, stdout);
	else if (args.privileges)
		privileges_print(&check.collector, &check.privileges, check.capabilities, stdout);
	else
		check_print_text(&check, stdout);
	if (stdout_failed("check"))
		status = STATUS_FAILED;
	collector_close(&check.collector);
	config_free(&args.config);
	return status;
}
