/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many 128-byte records a second get from the kernel to a reader without loss (figure 10).
 *
 *	ring_bench [SECONDS [PACE]]
 *
 * Producers run tests/bpf/flood.bpf.c, each bound to its CPU; the main thread reads as `tapio
 * trace` does and checks each record. Each setting is run for SECONDS (1) as fast as it goes; if
 * that loses records, then at paces below, to find the highest at which nothing is lost. PACE, in
 * M/s, runs each setting at this one only.
 *
 * The reader has the CPUs that the producers leave; if there are none it shares theirs. All run
 * above the other work of the machine (SCHED_RR, where permitted), the reader above the producers,
 * or it would wait for the end of their time slice, which is longer than any ring.
 *
 * Loss is exact: records begun less records received; the program fails if the counters in the
 * kernel do not account for each one. The time in the kernel is that of BPF run-time statistics,
 * which are taken once per 64 records here.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/bpflog.h"
#include "collect/reader.h"
#include "collect/sensor.h"
#include "event/view.h"

#define BATCH 64u /* records per program run: FLOOD_MAX */
#define RECORD_BYTES 128u
#define PRODUCERS_MAX 2
#define PRECISION 0.05 /* of a pace: how finely paces are told apart */

static double run_seconds = 1;

struct setting {
	const char *name;
	unsigned producers;
	size_t ring_bytes;
	bool perf;
};

static const struct setting settings[] = {
	{ "one core, 8 MiB ring", 1, 8 << 20, false },
	{ "two cores, 32 MiB ring", 2, 32 << 20, false },
	{ "one core, 8 MiB of perf buffers", 1, 8 << 20, true },
	{ "two cores, 32 MiB of perf buffers", 2, 32 << 20, true },
};

/* What a run showed. */
struct result {
	uint64_t made, received;
	double rate;      /* records begun, M/s */
	double kernel_ns; /* per record begun */
	double reader_ns; /* per record received */
	bool shared;      /* the reader had no CPU of its own */
};

/* ---- producers ---- */

struct producer {
	pthread_t thread;
	int cpu, prog_fd;
	double rate; /* records per second, 0: as many as it can */
	atomic_uint *running;
	uint64_t started_ns, ended_ns;
	int err;
};

static int bind_to(const cpu_set_t *cpus)
{
	return -pthread_setaffinity_np(pthread_self(), sizeof(*cpus), cpus);
}

static int bind_to_cpu(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return bind_to(&one);
}

/* Of the calling thread; 0: like everything else. */
static void set_priority(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	sched_setscheduler(0, priority ? SCHED_RR : SCHED_OTHER, &param);
}

/* Sleeps until record number `n` is due. */
static void wait_for_turn(const struct producer *p, uint64_t n)
{
	uint64_t due = p->started_ns + (uint64_t)((double)n / p->rate * NS_PER_S);
	struct timespec ts = { .tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S) };

	if (due > clock_ns(CLOCK_MONOTONIC))
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	__u64 args[] = { BATCH };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	uint64_t until, sent = 0;

	p->err = bind_to_cpu(p->cpu);
	set_priority(1);
	p->started_ns = p->ended_ns = clock_ns(CLOCK_MONOTONIC);
	until = p->started_ns + (uint64_t)(run_seconds * NS_PER_S);
	while (!p->err && p->ended_ns < until) {
		if (p->rate > 0)
			wait_for_turn(p, sent);
		p->err = bpf_prog_test_run_opts(p->prog_fd, &opts);
		sent += BATCH;
		p->ended_ns = clock_ns(CLOCK_MONOTONIC);
	}
	atomic_fetch_sub(p->running, 1);
	return NULL;
}

/* ---- one run ---- */

struct run {
	struct transport transport;
	struct reader reader;
	struct sensor_run sensor;
	int prog_fd;
	struct producer producers[PRODUCERS_MAX];
	unsigned nproducers;
	atomic_uint running;
	uint64_t received, reader_cpu_ns;
};

static int run_open(struct run *r, const struct setting *s)
{
	static const struct tier tiers[] = {
		{ .name = "raw_tp", .object = "flood", .needs = NEEDS(RAW_TP), .programs = { { "flood", ~0ull } } },
		{ 0 },
	};
	static const struct sensor sensor = { .id = TAPIO_SENSOR_PROCESS, .tiers = tiers };
	struct transport_options options = { .ring_bytes = { [TAPIO_RING_CONTROL] = s->ring_bytes,
							     [TAPIO_RING_BULK] = 65536 } };
	struct ladder_options ladder = { .events = ~0ull, .core_disabled = s->perf ? CORE_RINGBUF : 0 };
	int err = transport_open(&r->transport, &options);

	if (!err)
		err = reader_open(&r->reader, &r->transport);
	if (err)
		return err;
	err = ladder_climb(&sensor, &ladder, &r->transport, &r->sensor);
	if (err)
		fprintf(stderr, "ring_bench: %s\n", r->sensor.results[0].why);
	else
		r->prog_fd = bpf_program__fd(bpf_object__find_program_by_name(r->sensor.obj, "flood"));
	return err;
}

static void run_close(struct run *r)
{
	sensor_close(&r->sensor);
	reader_close(&r->reader);
	transport_close(&r->transport);
}

/* The producers take the first CPUs that we may use, the reader the others or, without any, all. */
static int place(struct run *r, unsigned producers, bool *ret_shared)
{
	cpu_set_t allowed, rest;
	unsigned n = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	rest = allowed;
	for (int cpu = 0; n < producers && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed)) {
			r->producers[n++].cpu = cpu;
			CPU_CLR(cpu, &rest);
		}
	*ret_shared = !CPU_COUNT(&rest);
	return bind_to(*ret_shared ? &allowed : &rest);
}

static int start(struct run *r, unsigned producers, double rate)
{
	atomic_store(&r->running, producers);
	for (; r->nproducers < producers; r->nproducers++) {
		struct producer *p = &r->producers[r->nproducers];
		int err;

		p->prog_fd = r->prog_fd;
		p->rate = rate / producers;
		p->running = &r->running;
		err = pthread_create(&p->thread, NULL, produce, p);
		if (err) {
			atomic_fetch_sub(&r->running, producers - r->nproducers);
			return -err;
		}
	}
	return 0;
}

static int take_record(void *arg, const void *data, size_t size, uint64_t ts_boot_ns)
{
	const struct event_desc *desc;
	struct run *r = arg;

	(void)ts_boot_ns;
	if (event_check(data, size, &desc) || desc->type != TAPIO_EV_PROCESS_FORK || size < RECORD_BYTES)
		return -EBADMSG;
	r->received++;
	return 0;
}

/* As the event loop of `tapio trace`, until the producers have ended and all is read. */
static int consume(struct run *r)
{
	struct pollfd wake = { .fd = r->transport.epoll_fd, .events = POLLIN };
	uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	long n = 0;

	while (n >= 0 && atomic_load(&r->running)) {
		if (poll(&wake, 1, reader_timeout(&r->reader)) > 0)
			reader_woken(&r->reader);
		n = reader_drain(&r->reader, false, take_record, r);
	}
	while (n >= 0 && (n = reader_drain(&r->reader, true, take_record, r)) > 0)
		;
	r->reader_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
	return n < 0 ? (int)n : 0;
}

static int join(struct run *r, double *ret_us)
{
	uint64_t started = UINT64_MAX, ended = 0;
	int err = 0;

	for (unsigned i = 0; i < r->nproducers; i++) {
		struct producer *p = &r->producers[i];

		pthread_join(p->thread, NULL);
		started = p->started_ns < started ? p->started_ns : started;
		ended = p->ended_ns > ended ? p->ended_ns : ended;
		err = err ? err : p->err;
	}
	*ret_us = (double)(ended - started) / 1e3;
	return err;
}

static int add_up(const struct run *r, double us, struct result *ret)
{
	struct bpf_prog_info info = {};
	struct tapio_counters counters;
	__u32 length = sizeof(info);
	uint64_t counted = 0;
	int err = transport_counters(&r->transport, TAPIO_SENSOR_PROCESS, &counters);

	if (err)
		return err;
	if (bpf_obj_get_info_by_fd(r->prog_fd, &info, &length))
		return -errno;
	for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
		counted += counters.lost[cause];
	if (!counters.made || !r->received)
		return -ENODATA;
	ret->made = counters.made;
	ret->received = r->received;
	ret->rate = (double)ret->made / us;
	ret->kernel_ns = (double)info.run_time_ns / (double)ret->made;
	ret->reader_ns = (double)r->reader_cpu_ns / (double)ret->received;
	return ret->made - ret->received == counted ? 0 : -EBADE;
}

static int run_once(struct run *r, const struct setting *s, double rate, struct result *ret)
{
	int err = run_open(r, s), consumed, joined;
	double us;

	if (!err)
		err = place(r, s->producers, &ret->shared);
	if (err)
		return err;
	set_priority(2);
	err = start(r, s->producers, rate * 1e6);
	consumed = consume(r);
	joined = join(r, &us);
	set_priority(0);
	if (err || joined || consumed)
		return err ? err : joined ? joined : consumed;
	return add_up(r, us, ret);
}

static int measure(const struct setting *s, double rate, struct result *ret)
{
	_cleanup_free_ struct run *r = calloc(1, sizeof(*r));
	cpu_set_t before;
	int err;

	if (!r || sched_getaffinity(0, sizeof(before), &before))
		return -ENOMEM;
	err = run_once(r, s, rate, ret);
	run_close(r);
	bind_to(&before);
	return err;
}

/* ---- settings ---- */

static void print(const struct setting *s, const char *how, const struct result *x)
{
	printf("figure10 %s, %s: %.2f M/s sent, %llu received, %llu lost (exact: made - received); "
	       "%.0f ns a record in the kernel, %.0f in the reader%s\n",
	       s->name, how, x->rate, (unsigned long long)x->received,
	       (unsigned long long)(x->made - x->received), x->kernel_ns, x->reader_ns,
	       x->shared ? ", which shares a producer's CPU" : "");
	fflush(stdout);
}

/* Twice if there is a loss: the machine has other work too. */
static int try_pace(const struct setting *s, double rate, struct result *ret)
{
	int err = measure(s, rate, ret);

	if (!err && ret->made != ret->received)
		err = measure(s, rate, ret);
	return err;
}

/* By bisection below `lossy`, a pace that was too fast. */
static int highest_pace(const struct setting *s, double lossy, struct result *ret)
{
	double lossless = 0;

	while (lossy - lossless > lossy * PRECISION) {
		double rate = (lossless + lossy) / 2;
		struct result x = { 0 };
		int err = try_pace(s, rate, &x);

		if (err)
			return err;
		if (x.made != x.received) {
			lossy = rate;
			continue;
		}
		lossless = rate;
		if (x.rate > ret->rate)
			*ret = x;
	}
	return 0;
}

static int show(const struct setting *s, double rate)
{
	struct result first = { 0 }, best = { 0 };
	int err = measure(s, rate, &first);

	if (err)
		return err;
	print(s, rate > 0 ? "paced" : "unpaced", &first);
	if (rate > 0 || first.made == first.received)
		return 0;
	err = highest_pace(s, first.rate, &best);
	if (!err)
		print(s, "highest pace without loss", &best);
	return err;
}

static unsigned cpus_allowed(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);
}

int main(int argc, char **argv)
{
	double rate = argc > 2 ? atof(argv[2]) : 0;
	_cleanup_close_ int stats = -1;

	if (argc > 1)
		run_seconds = atof(argv[1]);
	if (argc > 3 || run_seconds <= 0 || rate < 0) {
		fprintf(stderr, "usage: ring_bench [SECONDS [PACE]]\n");
		return 2;
	}
	bpflog_init();
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		const struct setting *s = &settings[i];
		int err;

		if (s->producers > cpus_allowed()) {
			fprintf(stderr, "ring_bench: %s: not that many CPUs, continuing without it\n", s->name);
			continue;
		}
		err = show(s, rate);
		if (err) {
			fprintf(stderr, "ring_bench: %s: %s\n", s->name,
				err == -EBADE ? "the counters do not account for each loss" : strerror(-err));
			return 1;
		}
	}
	return 0;
}
