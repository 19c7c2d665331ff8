/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- signals ---- */

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

int loop_catch_signals(void)
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

int loop_stop_fd(void)
{
	return stop_fd;
}

/* ---- time ---- */

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

static bool done(const struct watch *w, uint64_t deadline_ns)
{
	return stop || w->pipeline.sink_error || (w->pipeline.limit && w->pipeline.events >= w->pipeline.limit) ||
	       (deadline_ns && clock_ns(CLOCK_MONOTONIC) >= deadline_ns);
}

/* The deadline's other half: a blocked write does not look at the clock. */
static void stop_after(uint64_t ns)
{
	const struct itimerval timer = { .it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
						       .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* ---- running ---- */

/* What is ready. 1 to go on, 0 if a key ended it, or a negative errno. */
static int on_ready(struct watch *w, const struct loop_options *options, const struct epoll_event *ev, int n)
{
	for (int i = 0; i < n; i++) {
		if (ev[i].data.fd == STDOUT_FILENO)
			return -EPIPE;
		if (ev[i].data.fd == options->key_fd && !options->key(options->arg))
			return 0;
		if (ev[i].data.fd == w->collector.transport.epoll_fd)
			reader_woken(&w->collector.reader);
	}
	return 1;
}

static void take_what_came(struct watch *w)
{
	w->pipeline.interrupted = false;
	watch_drain(w, false);
	if (clock_ns(CLOCK_MONOTONIC) - w->reported_ns > NS_PER_S)
		watch_report_losses(w, false);
	if (!w->pipeline.interrupted)
		pipeline_flush(&w->pipeline);
}

/* Calls `every` if it is its time, and moves that on: calls that could not be made in time are left out. */
static int tick(const struct loop_options *options, uint64_t *next_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!*next_ns || now < *next_ns)
		return 0;
	*next_ns += ((now - *next_ns) / options->every_ns + 1) * options->every_ns;
	return options->every(options->arg);
}

static int event_loop(struct watch *w, const struct loop_options *options, int epoll)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), next = options->every_ns ? now + options->every_ns : 0;
	uint64_t deadline = options->time_ns ? now + options->time_ns : 0;

	if (deadline)
		stop_after(options->time_ns);
	while (!done(w, deadline)) {
		int timeout = until_deadline(next, until_deadline(deadline, watch_timeout(w)));
		struct epoll_event ev[4];
		int n = epoll_wait(epoll, ev, 4, timeout), err;

		if (n < 0 && errno != EINTR)
			return -errno;
		err = on_ready(w, options, ev, n);
		if (err <= 0)
			return err;
		take_what_came(w);
		err = tick(options, &next);
		if (err)
			return err;
	}
	return w->pipeline.sink_error;
}

int loop_run(struct watch *w, const struct loop_options *options)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), err;

	if (epoll < 0)
		return -errno;
	err = watch_fd(epoll, w->collector.transport.epoll_fd, EPOLLIN);
	if (!err)
		err = watch_fd(epoll, watch_who_fd(w), EPOLLIN);
	if (!err)
		err = watch_fd(epoll, stop_fd, EPOLLIN);
	if (!err && options->key_fd >= 0)
		err = watch_fd(epoll, options->key_fd, EPOLLIN);
	/* A pipe whose reader leaves ends us at once; a file cannot be watched, and need not be. */
	watch_fd(epoll, STDOUT_FILENO, 0);
	if (!err)
		err = event_loop(w, options, epoll);
	close(epoll);
	return err;
}

/* A record waits for whom it is about, for WHO_WAIT_NS at most. */
static void wait_for_names(const struct watch *w)
{
	struct pollfd pfd = { .fd = watch_who_fd(w), .events = POLLIN };

	poll(&pfd, 1, READER_HELD_MS);
}

void loop_finish(struct watch *w, const char *command)
{
	bool output_open = !w->pipeline.sink_error, given_up = false;
	uint64_t limit = w->pipeline.limit;
	long n;

	watch_detach(w);
	w->pipeline.interrupted = false;
	while ((n = watch_drain(w, true)) > 0 || w->collector.reader.held) {
		if (w->collector.reader.held)
			wait_for_names(w);
		if (w->pipeline.sink_error || (limit && w->pipeline.events >= limit))
			break;
		/* The alarm came, or one more Ctrl-C. A reader that is only slow is waited for. */
		given_up = w->pipeline.interrupted && (n == 1 || stop > 1);
		if (given_up)
			break;
		w->pipeline.interrupted = false;
	}
	/* With a limit the rest was not asked for: it is neither shown nor lost. */
	watch_report_losses(w, !limit && !given_up && output_open);
	if (!given_up)
		pipeline_flush(&w->pipeline);
	if (w->pipeline.interrupted)
		log_warn("%s: stdout is not being read: the last events may be missing there", command);
}

void loop_sums(const struct watch *w)
{
	struct buf list = BUF_INIT(4096);
	uint64_t lost, refused;

	watch_sums(w, &lost, &refused, &list);
	fprintf(stderr, "%llu events, %llu lost, %llu refused%s\n", (unsigned long long)w->pipeline.events,
		(unsigned long long)lost, (unsigned long long)refused, buf_cstr(&list));
	buf_free(&list);
}

int loop_open(struct watch *w, const struct watch_options *options, const char *command)
{
	char why[256];
	int status = check_host(command), err;

	if (status)
		return status;
	warn_about_view();
	err = loop_catch_signals();
	if (err)
		snprintf(why, sizeof(why), "eventfd: %s", strerror(-err));
	else
		err = watch_open(w, options, why, sizeof(why));
	if (!err) {
		err = watch_start(w, why, sizeof(why));
		if (err)
			watch_close(w);
	}
	if (err) {
		log_error("%s: %s", command, why);
		return STATUS_FAILED;
	}
	if (watch_announce(w, "Ctrl-C ends"))
		return STATUS_OK;
	watch_close(w);
	return STATUS_FAILED;
}
