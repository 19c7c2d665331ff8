/* SPDX-License-Identifier: Apache-2.0 */
/* tapio trace: look now. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/filters.h"
#include "cli/loop.h"
#include "cli/trace.h"
#include "export/attach.h"
#include "export/json.h"
#include "export/text.h"

static const char help[] =
	"usage: tapio trace [OPTION]... [COLLECTOR | SENSOR]...\n\n"
	"Prints events as they happen: a table on a terminal, JSON Lines otherwise. All else goes to\n"
	"stderr; its last line is 'N events, M lost, K refused'. Without a name all collectors run ('tapio\n"
	"check' lists them). Ctrl-C ends it.\n\n"
	"  -o, --output table|json  choose the format\n"
	"  -e, --event EVENT[,EVENT]  these events only ('tapio schema' lists them)\n"
	FILTER_HELP
	"      --attach[=SOCKET]    take events from the agent that runs, instead of loading programs: those that\n"
	"                           it reports; of the filters -e, --container, --pod, --namespace, --unit\n"
	"  -n, --count COUNT        end after COUNT events\n"
	"  -t, --time SECONDS       end after SECONDS (or 500ms, 2m, 1h)\n"
	"      --self               report Tapio's own process too\n"
	"      --wide               do not cut lines at the terminal's width\n"
	"      --no-color           no colours (as does the variable NO_COLOR)\n"
	RUN_OPTIONS_HELP
	"\nFilters are tested in the kernel, those by container, pod, namespace and unit once the cgroup is\n"
	"known. A fork is matched by its parent. Values of one kind are alternatives, different kinds must\n"
	"all match.\n";

enum {
	OPT_SELF = OPT_LAST,
	OPT_WIDE,
	OPT_NO_COLOR,
	OPT_ATTACH,
};

/* ---- arguments ---- */

static int add_events(struct trace *t, const char *name)
{
	const struct event_desc *desc = event_desc_by_name(name);
	size_t n = strlen(name);

	if (desc && desc->sensor) {
		t->named_events |= EVENT_BIT(desc->type);
		return STATUS_OK;
	}
	/* "process.*" */
	if (n > 1 && !strcmp(name + n - 2, ".*")) {
		uint64_t before = t->named_events;

		for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
			desc = event_desc_by_type(type);
			if (desc && desc->sensor && !strncmp(desc->name, name, n - 1))
				t->named_events |= EVENT_BIT(type);
		}
		if (t->named_events != before)
			return STATUS_OK;
	}
	return usage_error("trace", "--event %s: no such event; 'tapio schema' lists them", name);
}

/* Takes each item of a comma-separated list. An empty one is refused: a filter left out shows everything. */
static int each_event(struct trace *t, char *list)
{
	int status = STATUS_OK;
	char *item;

	while (!status && (item = strsep(&list, ",")))
		status = *item ? add_events(t, item) : usage_error("trace", "-e: an empty value");
	return status;
}

static int output_format(struct trace *t, const char *name)
{
	t->table = !strcmp(name, "table");
	if (!t->table && strcmp(name, "json"))
		return usage_error("trace", "-o %s: the formats are table and json", name);
	return STATUS_OK;
}

static int take_option(struct trace *t, int opt)
{
	int status = filter_option("trace", &t->run.collect, &t->options.selector, opt, optarg);

	if (status >= 0)
		return status;
	switch (opt) {
	case 'o':
		return output_format(t, optarg);
	case 'e':
		return each_event(t, optarg);
	case 'n':
		if (parse_u64(optarg, UINT64_MAX, &t->count) || !t->count)
			return usage_error("trace", "-n %s: not a number of events above 0", optarg);
		return STATUS_OK;
	case 't':
		if (parse_duration(optarg, &t->time_ns) || !t->time_ns)
			return usage_error("trace", "-t %s: not a time above 0, as in 10, 500ms, 2m", optarg);
		return STATUS_OK;
	case OPT_ATTACH:
		t->attach = optarg ? optarg : ATTACH_DEFAULT_PATH;
		return STATUS_OK;
	case OPT_SELF:
		t->run.collect.self = true;
		return STATUS_OK;
	case OPT_WIDE:
		t->wide = true;
		return STATUS_OK;
	case OPT_NO_COLOR:
		t->no_color = true;
		return STATUS_OK;
	default:
		return run_option(&t->run, opt, optarg);
	}
}

/* What the agent cannot do for us is said, not left out. */
static int check_attach(const struct trace *t, bool collectors)
{
	const struct filter *f = &t->run.collect.filter;

	if (f->nvalues || f->ncgroups || t->run.collect.self || t->run.collect.dns_ports[0])
		return usage_error("trace", "--attach: the agent does not filter by pid, comm, uid or cgroup, nor report itself, and has its own dns.ports");
	if (collectors)
		return usage_error("trace", "--attach: choose events with -e: which sensors run is the agent's to say");
	return -1;
}

/* -1 to go on, else the status to exit with. */
static int parse_args(struct trace *t, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "event", required_argument, NULL, 'e' },
		FILTER_LONG_OPTIONS,
		{ "count", required_argument, NULL, 'n' },
		{ "time", required_argument, NULL, 't' },
		{ "attach", optional_argument, NULL, OPT_ATTACH },
		{ "self", no_argument, NULL, OPT_SELF },
		{ "wide", no_argument, NULL, OPT_WIDE },
		{ "no-color", no_argument, NULL, OPT_NO_COLOR },
		RUN_LONG_OPTIONS,
		{ 0 },
	};
	int opt, status;

	t->table = isatty(STDOUT_FILENO);
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":o:e:n:t:vh" FILTER_SHORT_OPTIONS, options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return STATUS_OK;
		}
		if (opt == '?' || opt == ':')
			return usage_error("trace", "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
		status = take_option(t, opt);
		if (status)
			return status;
	}
	status = select_collectors(&t->run, argc - optind, argv + optind);
	if (status)
		return status;
	if (t->named_events)
		t->run.collect.events = t->named_events;
	return t->attach ? check_attach(t, argc > optind) : -1;
}

/* ---- running ---- */

static struct event_sink *open_sink(const struct trace *t)
{
	struct text_options options = { .who = true, .colour = !t->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") };
	struct winsize size;

	if (!t->table)
		return json_sink_open(STDOUT_FILENO);
	if (!t->wide && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		options.width = size.ws_col;
	return text_sink_open(STDOUT_FILENO, &options);
}

static int run_trace(struct trace *t)
{
	const struct loop_options options = { .time_ns = t->time_ns, .key_fd = -1 };
	struct event_sink *sink = open_sink(t);
	int err;

	if (!sink) {
		log_error("trace: starting: %s", strerror(ENOMEM));
		return STATUS_FAILED;
	}
	pipeline_add_sink(&t->watch.pipeline, sink);
	t->watch.pipeline.limit = t->count;
	pipeline_flush(&t->watch.pipeline);
	err = loop_run(&t->watch, &options);
	loop_finish(&t->watch, "trace");
	if (!err)
		err = t->watch.pipeline.sink_error;
	if (err && err != -EPIPE)
		log_error("trace: %s: %s", t->watch.pipeline.sink_error ? "writing to stdout" : "waiting for events",
			  strerror(-err));
	loop_sums(&t->watch);
	return err && err != -EPIPE ? STATUS_FAILED : STATUS_OK;
}

int cmd_trace(int argc, char **argv)
{
	static struct trace t; /* large, and one per process */
	int status;

	memset(&t, 0, sizeof(t));
	t.run.collect.transport = transport_defaults;
	status = parse_args(&t, argc, argv);
	if (status >= 0)
		return status;
	if (t.attach)
		return loop_catch_signals() ? STATUS_FAILED : trace_attached(&t, loop_stop_fd());
	t.options.collect = t.run.collect;
	t.options.collect.identity = true;
	status = loop_open(&t.watch, &t.options, "trace");
	if (status)
		return status;
	status = run_trace(&t);
	watch_close(&t.watch);
	filter_close(&t.options.collect.filter);
	return status;
}
