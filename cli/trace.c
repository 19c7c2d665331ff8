/* SPDX-License-Identifier: Apache-2.0 */
/* tapio trace: look now. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/cli.h"
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
	"  -p, --pid PID[,PID]      these processes only\n"
	"  -c, --comm COMM[,COMM]   threads of this name only (as in /proc/PID/comm)\n"
	"  -u, --uid USER[,USER]    these real users only, by number or name\n"
	"      --cgroup CGROUP      this cgroup v2 and all below it only, by path or id; repeatable\n"
	"      --container CONTAINER  these containers only, by id (12 digits or more) or name; repeatable\n"
	"      --pod NAMESPACE/NAME   these pods only; repeatable\n"
	"      --namespace NAME       pods of these Kubernetes namespaces only; repeatable\n"
	"      --unit UNIT            these systemd units only, as in nginx.service; repeatable\n"
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
	OPT_CGROUP = OPT_LAST,
	OPT_SELF,
	OPT_WIDE,
	OPT_NO_COLOR,
	OPT_CONTAINER,
	OPT_POD,
	OPT_NAMESPACE,
	OPT_UNIT,
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

static int add_filter(struct trace *t, uint32_t kind, const char *option, const char *value)
{
	char why[256];

	if (!filter_add(&t->run.collect.filter, kind, value, why, sizeof(why))) {
		if (kind == TAPIO_FILTER_PID && kill(atoi(value), 0) && errno == ESRCH)
			log_warn("%s %s: there is no such process now", option, value);
		return STATUS_OK;
	}
	return usage_error("trace", "%s %s: %s", option, value, why);
}

/* Takes each item of a comma-separated list. An empty one is refused: a filter left out shows everything. */
static int each_item(struct trace *t, char *list, int opt)
{
	int status = STATUS_OK;
	char *item;

	while (!status && (item = strsep(&list, ","))) {
		if (!*item)
			status = usage_error("trace", "-%c: an empty value", opt);
		else if (opt == 'e')
			status = add_events(t, item);
		else if (opt == 'p')
			status = add_filter(t, TAPIO_FILTER_PID, "--pid", item);
		else if (opt == 'c')
			status = add_filter(t, TAPIO_FILTER_COMM, "--comm", item);
		else
			status = add_filter(t, TAPIO_FILTER_UID, "--uid", item);
	}
	return status;
}

static int output_format(struct trace *t, const char *name)
{
	t->table = !strcmp(name, "table");
	if (!t->table && strcmp(name, "json"))
		return usage_error("trace", "-o %s: the formats are table and json", name);
	return STATUS_OK;
}

static int add_who(struct trace *t, enum select_kind kind, const char *option, const char *value)
{
	const char *slash = strchr(value, '/');

	if (!*value)
		return usage_error("trace", "%s: an empty value", option);
	if (kind == SELECT_POD && (!slash || slash == value || !slash[1]))
		return usage_error("trace", "%s %s: not of the form NAMESPACE/NAME", option, value);
	if (kind == SELECT_UNIT && !strchr(value, '.'))
		return usage_error("trace", "%s %s: a unit's name ends in its type, as in %s.service", option, value,
				   value);
	if (select_want(&t->options.selector, kind, value))
		return usage_error("trace", "%s: more than %d values", option, SELECT_RULES_MAX);
	return STATUS_OK;
}

static int take_option(struct trace *t, int opt)
{
	switch (opt) {
	case 'o':
		return output_format(t, optarg);
	case 'e':
	case 'p':
	case 'c':
	case 'u':
		return each_item(t, optarg, opt);
	case OPT_CGROUP:
		return add_filter(t, TAPIO_FILTER_CGROUP, "--cgroup", optarg);
	case OPT_CONTAINER:
		return add_who(t, SELECT_CONTAINER, "--container", optarg);
	case OPT_POD:
		return add_who(t, SELECT_POD, "--pod", optarg);
	case OPT_NAMESPACE:
		return add_who(t, SELECT_NAMESPACE, "--namespace", optarg);
	case OPT_UNIT:
		return add_who(t, SELECT_UNIT, "--unit", optarg);
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

	if (f->nvalues || f->ncgroups || t->run.collect.self)
		return usage_error("trace", "--attach: the agent does not filter by pid, comm, uid or cgroup, nor does it report itself");
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
		{ "pid", required_argument, NULL, 'p' },
		{ "comm", required_argument, NULL, 'c' },
		{ "uid", required_argument, NULL, 'u' },
		{ "cgroup", required_argument, NULL, OPT_CGROUP },
		{ "container", required_argument, NULL, OPT_CONTAINER },
		{ "pod", required_argument, NULL, OPT_POD },
		{ "namespace", required_argument, NULL, OPT_NAMESPACE },
		{ "unit", required_argument, NULL, OPT_UNIT },
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
	while ((opt = getopt_long(argc, argv, ":o:e:p:c:u:n:t:vh", options, NULL)) != -1) {
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

static volatile sig_atomic_t stop; /* 1: after what came before; 2: at once */
static int stop_fd = -1;

/*
 * The flag ends a blocked write, the descriptor a wait. The alarm comes here again every second, for
 * a write that began just after the flag was tested, and for those that are still to come.
 */
static void on_stop(int signal)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	if (!stop)
		stop = 1;
	else if (signal != SIGALRM)
		stop = 2;
	alarm(1);
	n = write(stop_fd, &one, sizeof(one));
	(void)n; /* full: it is readable already */
	errno = saved;
}

static int catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_stop }; /* no SA_RESTART */

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return -errno;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int watch_fd(int epoll, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* Milliseconds until the deadline, at most `ms` (-1: no limit). */
static int until_deadline(uint64_t deadline_ns, int ms)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left;

	if (!deadline_ns)
		return ms;
	left = deadline_ns > now ? (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
	if (left > INT32_MAX)
		left = INT32_MAX;
	return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

static bool done(const struct trace *t, uint64_t deadline_ns)
{
	return stop || t->watch.pipeline.sink_error || (t->count && t->watch.pipeline.events >= t->count) ||
	       (deadline_ns && clock_ns(CLOCK_MONOTONIC) >= deadline_ns);
}

/* The deadline's other half: a blocked write does not look at the clock. */
static void stop_after(uint64_t ns)
{
	const struct itimerval timer = { .it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
						       .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int event_loop(struct trace *t, int epoll)
{
	uint64_t deadline = t->time_ns ? clock_ns(CLOCK_MONOTONIC) + t->time_ns : 0;

	if (deadline)
		stop_after(t->time_ns);
	while (!done(t, deadline)) {
		int timeout = until_deadline(deadline, watch_timeout(&t->watch));
		struct epoll_event ev[4];
		int n = epoll_wait(epoll, ev, 4, timeout);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == STDOUT_FILENO)
				return -EPIPE;
			if (ev[i].data.fd == t->watch.collector.transport.epoll_fd)
				reader_woken(&t->watch.collector.reader);
		}
		t->watch.pipeline.interrupted = false;
		watch_drain(&t->watch, false);
		if (clock_ns(CLOCK_MONOTONIC) - t->watch.reported_ns > NS_PER_S)
			watch_report_losses(&t->watch, false);
		if (!t->watch.pipeline.interrupted)
			pipeline_flush(&t->watch.pipeline);
	}
	return t->watch.pipeline.sink_error;
}

/* A record waits for whom it is about, for WHO_WAIT_NS at most. */
static void wait_for_names(const struct watch *w)
{
	struct pollfd pfd = { .fd = watch_who_fd(w), .events = POLLIN };

	poll(&pfd, 1, READER_HELD_MS);
}

/* After the programs are detached: what is still in the rings, and the exact sums. */
static void finish(struct trace *t)
{
	bool output_open = !t->watch.pipeline.sink_error, given_up = false;
	long n;

	watch_detach(&t->watch);
	t->watch.pipeline.interrupted = false;
	while ((n = watch_drain(&t->watch, true)) > 0 || t->watch.collector.reader.held) {
		if (t->watch.collector.reader.held)
			wait_for_names(&t->watch);
		if (t->watch.pipeline.sink_error || (t->count && t->watch.pipeline.events >= t->count))
			break;
		/* The alarm came, or one more Ctrl-C. A reader that is only slow is waited for. */
		given_up = t->watch.pipeline.interrupted && (n == 1 || stop > 1);
		if (given_up)
			break;
		t->watch.pipeline.interrupted = false;
	}
	/* With -n the rest was not asked for: it is neither shown nor lost. */
	watch_report_losses(&t->watch, !t->count && !given_up && output_open);
	if (!given_up)
		pipeline_flush(&t->watch.pipeline);
	if (t->watch.pipeline.interrupted)
		log_warn("trace: stdout is not being read: the last events may be missing there");
}

static void summary(const struct trace *t)
{
	struct buf list = BUF_INIT(4096);
	uint64_t lost, refused;

	watch_sums(&t->watch, &lost, &refused, &list);
	fprintf(stderr, "%llu events, %llu lost, %llu refused%s\n", (unsigned long long)t->watch.pipeline.events,
		(unsigned long long)lost, (unsigned long long)refused, buf_cstr(&list));
	buf_free(&list);
}

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
	struct event_sink *sink = open_sink(t);
	int epoll = epoll_create1(EPOLL_CLOEXEC), err;

	if (!sink || epoll < 0) {
		log_error("trace: starting: %s", strerror(ENOMEM));
		return STATUS_FAILED;
	}
	pipeline_add_sink(&t->watch.pipeline, sink);
	t->watch.pipeline.limit = t->count;
	err = watch_fd(epoll, t->watch.collector.transport.epoll_fd, EPOLLIN);
	if (!err)
		err = watch_fd(epoll, watch_who_fd(&t->watch), EPOLLIN);
	if (!err)
		err = watch_fd(epoll, stop_fd, EPOLLIN);
	if (err) {
		log_error("trace: epoll: %s", strerror(-err));
		return STATUS_FAILED;
	}
	/* A pipe whose reader leaves ends us at once; a file cannot be watched, and need not be. */
	watch_fd(epoll, STDOUT_FILENO, 0);
	pipeline_flush(&t->watch.pipeline);
	err = event_loop(t, epoll);
	close(epoll);
	finish(t);
	if (!err)
		err = t->watch.pipeline.sink_error;
	if (err && err != -EPIPE)
		log_error("trace: writing to stdout: %s", strerror(-err));
	summary(t);
	return err && err != -EPIPE ? STATUS_FAILED : STATUS_OK;
}

int cmd_trace(int argc, char **argv)
{
	static struct trace t; /* large, and one per process */
	char why[256];
	int status, err;

	memset(&t, 0, sizeof(t));
	t.run.collect.transport = transport_defaults;
	status = parse_args(&t, argc, argv);
	if (status >= 0)
		return status;
	if (t.attach)
		return catch_signals() ? STATUS_FAILED : trace_attached(&t, stop_fd);
	status = check_host("trace");
	if (status)
		return status;
	warn_about_view();
	t.options.collect = t.run.collect;
	t.options.collect.identity = true;
	err = catch_signals();
	if (err)
		snprintf(why, sizeof(why), "eventfd: %s", strerror(-err));
	else
		err = watch_open(&t.watch, &t.options, why, sizeof(why));
	if (!err) {
		err = watch_start(&t.watch, why, sizeof(why));
		if (err)
			watch_close(&t.watch);
	}
	if (err) {
		log_error("trace: %s", why);
		return STATUS_FAILED;
	}
	status = watch_announce(&t.watch, "Ctrl-C ends") ? run_trace(&t) : STATUS_FAILED;
	watch_close(&t.watch);
	filter_close(&t.options.collect.filter);
	return status;
}
