/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `tapio run`, and how it goes before the configuration's file. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/agent.h"

static const char help[] =
	"usage: tapio run [OPTION]... [COLLECTOR | SENSOR]...\n\n"
	"The agent: watches all the time and hands events to the sinks of its configuration. Without one\n"
	"the defaults of docs/CONFIGURATION.md apply: JSON Lines on stdout. SIGHUP reads the file again;\n"
	"SIGTERM ends it after what came before.\n\n"
	"  -c, --config FILE       read the configuration from FILE (YAML; - is standard input)\n"
	"      --print-config      print the effective configuration and end\n"
	"      --listen ADDRESS    serve /metrics, /healthz, /readyz and /capabilities there, or off\n"
	"      --socket PATH       serve 'tapio status' and 'tapio trace --attach' there, or off\n"
	"      --bpf-stats off|sampled|always  count the run time of BPF programs\n"
	"      --heartbeat SECONDS  how long a hook may be silent before it is tested (60)\n"
	"      --keep-privileges   give up nothing: no dropped capabilities, no seccomp filter\n"
	RUN_OPTIONS_HELP
	"\nOptions go before the file. Exit status: 0 ended by a signal; 1 no sensor runs, or an error; 2 wrong\n"
	"usage, a wrong configuration or a missing privilege; 3 unsupported kernel.\n";

enum { OPT_PRINT_CONFIG = OPT_LAST, OPT_LISTEN, OPT_SOCKET, OPT_BPF_STATS, OPT_HEARTBEAT, OPT_KEEP_PRIVILEGES };

static int set_option(struct config *config, const char *option, const char *key, const char *value, char *why,
		      size_t size)
{
	char reason[CONFIG_WHY_MAX];

	if (!value || !config_set(config, key, value, reason, sizeof(reason)))
		return STATUS_OK;
	snprintf(why, size, "run: %s %s: %s; see 'tapio run --help'", option, value, reason);
	return STATUS_USAGE;
}

int agent_read_config(const struct agent *a, struct config *ret, char *why, size_t size)
{
	struct config config;
	int status;

	snprintf(why, size, "no memory");
	if (a->config_path ? config_read(a->config_path, &config, why, size) : config_defaults(&config))
		return STATUS_USAGE;
	status = set_option(&config, "--listen", "listen", a->args.listen, why, size);
	if (!status)
		status = set_option(&config, "--socket", "socket", a->args.socket, why, size);
	if (!status)
		status = set_option(&config, "--bpf-stats", "bpf_stats", a->args.bpf_stats, why, size);
	if (a->args.events)
		config.events = a->args.events;
	if (status)
		config_free(&config);
	else
		*ret = config;
	return status;
}

static int take_heartbeat(struct agent_args *args, const char *value)
{
	uint64_t seconds;

	if (parse_u64(value, 86400, &seconds) || !seconds)
		return usage_error("run", "--heartbeat %s: wanted is a number of seconds from 1 to 86400", value);
	args->heartbeat_ns = seconds * NS_PER_S;
	return STATUS_OK;
}

static int take_option(struct agent *a, int opt)
{
	struct agent_args *args = &a->args;

	switch (opt) {
	case 'c':
		a->config_path = optarg;
		return STATUS_OK;
	case OPT_PRINT_CONFIG:
		args->print_config = true;
		return STATUS_OK;
	case OPT_LISTEN:
		args->listen = optarg;
		return STATUS_OK;
	case OPT_SOCKET:
		args->socket = optarg;
		return STATUS_OK;
	case OPT_BPF_STATS:
		args->bpf_stats = optarg;
		return STATUS_OK;
	case OPT_HEARTBEAT:
		return take_heartbeat(args, optarg);
	case OPT_KEEP_PRIVILEGES:
		args->keep_privileges = true;
		return STATUS_OK;
	default:
		return run_option(&a->run, opt, optarg);
	}
}

int agent_parse_args(struct agent *a, int argc, char **argv)
{
	char why[CONFIG_WHY_MAX + 256];
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "print-config", no_argument, NULL, OPT_PRINT_CONFIG },
		{ "listen", required_argument, NULL, OPT_LISTEN },
		{ "socket", required_argument, NULL, OPT_SOCKET },
		{ "bpf-stats", required_argument, NULL, OPT_BPF_STATS },
		{ "heartbeat", required_argument, NULL, OPT_HEARTBEAT },
		{ "keep-privileges", no_argument, NULL, OPT_KEEP_PRIVILEGES },
		RUN_LONG_OPTIONS,
		{ 0 },
	};
	int opt, status;

	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:vh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return STATUS_OK;
		}
		if (opt == '?' || opt == ':')
			return usage_error("run", "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
		status = take_option(a, opt);
		if (status)
			return status;
	}
	if (optind < argc) {
		status = select_collectors(&a->run, argc - optind, argv + optind);
		if (status)
			return status;
		a->args.events = a->run.collect.events;
	}
	status = agent_read_config(a, &a->config, why, sizeof(why));
	if (status) {
		log_error("%s", why);
		return status;
	}
	if (a->args.print_config) {
		config_print(&a->config, stdout);
		return STATUS_OK;
	}
	return -1;
}
