/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/live/harness.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/host.h"
#include "collect/bpflog.h"
#include "collect/tracefs.h"
#include "identity/resolver.h"
#include "tests/live/stimulus.h"

enum { EXIT_SKIPPED = 77, VARIANTS_MAX = 3 * TIERS_MAX };

/* ---- variants ---- */

struct variant {
	const struct tier *tier;
	enum way { RING, PERF, PERF_OLD, ABI, WAYS } way;
};

static const char *const way_names[WAYS] = { "", " --no-ringbuf", " as before 5.8", "" };

static const struct sensor *sensor_by_id(unsigned id)
{
	const struct sensor *const *s, *const *end = sensors(&s);

	for (; s < end; s++)
		if ((*s)->id == id)
			return *s;
	return NULL;
}

static uint64_t events_of(unsigned sensor)
{
	uint64_t events = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == sensor)
			events |= EVENT_BIT(type);
	}
	return events;
}

static unsigned list_variants(const struct sensor *sensor, struct variant *ret)
{
	const struct tier *tiers = sensor->tiers;
	unsigned n = 0, height = ladder_height(sensor);

	for (unsigned i = 0; i < height; i++)
		ret[n++] = (struct variant){ &tiers[i], tiers[i].abi ? ABI : RING };
	for (enum way way = PERF; way <= PERF_OLD; way++)
		for (unsigned i = 0; i < height; i++)
			if (!tiers[i].abi)
				ret[n++] = (struct variant){ &tiers[i], way };
	return n;
}

void live_need(const char *who, uint32_t features)
{
	for (enum feature f = 0; f < FEATURE_MAX; f++)
		if ((features & (1u << f)) && !feature(f)->have)
			SKIP("%s: needs %s: %s", who, feature_name(f), feature(f)->why);
}

/* Where a probe has said that the tier cannot run. */
static void skip_if_lacking(const struct live *l)
{
	uint32_t needs = l->tier->needs | (l->tier->abi ? NEEDS(PERF_BUFFER) : NEEDS(BTF));

	/* The ladder finds this out by loading, which costs no more than to probe it. */
	if (!strcmp(l->tier->name, "tp_btf"))
		needs |= NEEDS(TP_BTF);
	live_need(l->name, needs);
}

static void prepare(struct live *l, const struct sensor *sensor, const struct variant *v)
{
	l->sensor = sensor;
	l->tier = v->tier;
	snprintf(l->name, sizeof(l->name), "%s%s", v->tier->name, way_names[v->way]);
	l->name_length = strlen(l->name);
	bpflog_init();
	if (v->way == PERF || v->way == PERF_OLD) {
		if (!feature(FEATURE_RINGBUF)->have)
			SKIP("%s: every tier here goes without: %s", l->name, feature(FEATURE_RINGBUF)->why);
		feature_deny(FEATURE_RINGBUF, "switched off by the test");
	}
	if (v->way == PERF_OLD)
		l->options.core_disabled = CORE_RINGBUF | CORE_BOOT_CLOCK | CORE_GROUP_DEAD;
	skip_if_lacking(l);
	l->options.events = events_of(sensor->id);
	l->options.self = true;
	l->options.transport = transport_defaults;
	/* On a machine that does other things too, their records must fit as well. */
	if (live_patience() == 1)
		l->options.transport.ring_bytes[TAPIO_RING_CONTROL] *= 4;
	l->options.tiers[sensor->id] = v->tier->name;
	l->cgroup_id = own_cgroup_id();
}

/* A directory and a name of the program for this process alone. */
static void own_files(struct live *l, const char *dir, const char *program)
{
	static char own_dir[96], own_program[128];

	snprintf(own_dir, sizeof(own_dir), "%s/%d", dir, getpid());
	snprintf(own_program, sizeof(own_program), "%s/program", own_dir);
	REQUIRE(!mkdir(own_dir, 0755) && !link(program, own_program), "%s: %s", own_program, strerror(errno));
	l->dir = own_dir;
	l->program = own_program;
}

enum variant_state { WAITING, RUNNING, SKIPPED, DONE, NEEDLESS };

struct schedule {
	const struct sensor *sensor;
	struct variant variants[VARIANTS_MAX];
	enum variant_state states[VARIANTS_MAX];
	pid_t pids[VARIANTS_MAX];
	int statuses[VARIANTS_MAX];
	unsigned n;
	bool per_transport;
};

static pid_t start_variant(const struct schedule *s, unsigned i, live_body *body, const char *dir,
			   const char *program)
{
	static struct live l; /* large, and one per process */
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prepare(&l, s->sensor, &s->variants[i]);
	own_files(&l, dir, program);
	body(&l);
	live_stop(&l);
	test_stop_if_failed();
	fflush(stdout);
	_exit(0);
}

/*
 * Core tiers that go another way than the ring are alternatives: after the first that was not
 * skipped the others add nothing. If `per_transport`, so are all that go one way.
 */
static bool may_start(struct schedule *s, unsigned i)
{
	enum way way = s->variants[i].way;
	bool alternatives = s->per_transport || way == PERF || way == PERF_OLD;

	if (s->per_transport && way == PERF_OLD)
		s->states[i] = NEEDLESS;
	for (unsigned k = 0; k < i && alternatives; k++) {
		if (s->variants[k].way != way)
			continue;
		if (s->states[k] == DONE)
			s->states[i] = NEEDLESS;
		if (s->states[k] == RUNNING)
			return false;
	}
	return s->states[i] == WAITING;
}

static void finish_one(struct schedule *s)
{
	int status;
	pid_t pid = wait(&status);

	for (unsigned i = 0; i < s->n; i++) {
		if (s->states[i] != RUNNING || s->pids[i] != pid)
			continue;
		s->states[i] = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED ? SKIPPED : DONE;
		s->statuses[i] = s->states[i] == SKIPPED ? 0 : status;
	}
}

/* Most of a session's time is waiting for the kernel, so several go on at once. */
static void run_schedule(struct schedule *s, live_body *body, const char *dir, const char *program)
{
	unsigned running, at_once = live_patience() == 1 ? 4 : 1;

	do {
		running = 0;
		for (unsigned i = 0; i < s->n; i++) {
			if (running < at_once && s->states[i] == WAITING && may_start(s, i)) {
				s->pids[i] = start_variant(s, i, body, dir, program);
				s->states[i] = RUNNING;
			}
			running += s->states[i] == RUNNING;
		}
		if (running)
			finish_one(s);
	} while (running);
}

static void run_variants(unsigned sensor, live_body *body, bool per_transport)
{
	struct schedule s = { .sensor = sensor_by_id(sensor), .per_transport = per_transport };
	char dir[64], program[96];
	bool ran = false;

	s.n = list_variants(s.sensor, s.variants);
	stimulus_dir(dir, sizeof(dir), program, sizeof(program));
	run_schedule(&s, body, dir, program);
	remove_tree(dir);
	/* Only here: a process inherits the failures that were counted before it. */
	for (unsigned i = 0; i < s.n; i++) {
		ran |= s.states[i] == DONE;
		CHECK(!s.statuses[i], "%s%s: failed, wait status %#x", s.variants[i].tier->name,
		      way_names[s.variants[i].way], s.statuses[i]);
	}
	if (!ran)
		SKIP("no tier of the %s sensor runs here", sensor_name(sensor));
}

void live_about(struct live *l, const char *what)
{
	snprintf(l->name + l->name_length, sizeof(l->name) - l->name_length, ": %s", what);
	l->first = l->nviews;
}

void live_on_every_tier(live_body *body)
{
	run_variants(TAPIO_SENSOR_PROCESS, body, false);
}

void live_on_every_tier_of(unsigned sensor, live_body *body)
{
	run_variants(sensor, body, false);
}

void live_on_every_transport(live_body *body)
{
	run_variants(TAPIO_SENSOR_PROCESS, body, true);
}

unsigned live_patience(void)
{
	const char *slow = getenv("TAPIO_TEST_SLOW");
	struct stat init, self;

	if (slow && atoi(slow) > 0)
		return (unsigned)atoi(slow);
	if (stat("/proc/1/exe", &init) || stat("/proc/self/exe", &self))
		return 1;
	return init.st_ino == self.st_ino && init.st_dev == self.st_dev ? 10 : 1; /* a guest's only program */
}

bool live_tier_runs(const struct sensor *sensor, const struct tier *tier, char *why, size_t size)
{
	struct ladder_options options = { .force = tier->name, .events = events_of(sensor->id),
					  .legacy_subsystem = TAPIO_SUBSYSTEM_PIDS, /* what it takes wherever this is */
					  .core_disabled = feature(FEATURE_RINGBUF)->have ? 0 : CORE_RINGBUF };
	static struct transport t;
	static struct sensor_run run;
	bool runs;

	REQUIRE(!transport_open(&t, &transport_defaults), "transport");
	runs = !ladder_climb(sensor, &options, &t, &run);
	snprintf(why, size, "%s", run.results[tier - sensor->tiers].why);
	sensor_close(&run);
	transport_close(&t);
	return runs;
}

/* ---- a session ---- */

unsigned live_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void learn_absent(struct live *l)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		for (unsigned i = 0; desc && i < event_common_count(desc) + desc->nfields; i++) {
			const struct event_field *f = i < event_ncommon ? &event_common[i] :
									  &desc->fields[i - event_ncommon];

			if (f->name && tier_gives(l->tier, desc, f->name) == GIVES_NOTHING)
				l->absent[type].mask |= 1ull << i;
		}
	}
}

static void require_tier(const struct live *l)
{
	const struct sensor_run *run = &l->collector.runs[l->sensor->id];

	for (unsigned i = 0; i < ladder_height(l->sensor); i++)
		if (&l->sensor->tiers[i] == l->tier && run->tier != l->tier)
			CHECK(false, "%s: does not run: %s", l->name, run->results[i].why);
	test_stop_if_failed();
}

static uint64_t own_legacy_id(const struct legacy_hierarchy *legacy)
{
	const struct resolver_options options = { .legacy_mount = legacy->mount,
						  .legacy_hierarchy = legacy->number };
	struct cgroup_paths paths = { .legacy_id = 0 };
	uint64_t id;

	if (!legacy->mount[0] || cgroup_paths_of_process(&options, "self", &paths))
		return 0;
	id = paths.legacy_id;
	cgroup_paths_free(&paths);
	return id;
}

void live_start(struct live *l)
{
	char why[WHY_MAX];
	int err;

	learn_absent(l);
	tracefs_dir(); /* kept open until the process ends, by contract */
	l->fds = live_count_fds();
	err = collector_open(&l->collector, &l->options, why, sizeof(why));
	REQUIRE(!err, "%s: %s", l->name, why);
	l->running = true;
	l->legacy_cgroup_id = own_legacy_id(&l->collector.legacy);
	require_tier(l);
}

static int keep_record(void *arg, const void *data, size_t size, uint64_t ts_boot_ns)
{
	const struct event_desc *desc = NULL;
	struct live *l = arg;
	void *copy;
	int err = event_check(data, size, &desc);

	CHECK(!err, "%s: a record of %zu bytes was refused: %s", l->name, size, strerror(-err));
	if (err)
		return 0;
	if (l->nviews == l->capacity) {
		l->capacity = l->capacity ? 2 * l->capacity : 1024;
		l->views = realloc(l->views, l->capacity * sizeof(*l->views));
		l->times_ns = realloc(l->times_ns, l->capacity * sizeof(*l->times_ns));
	}
	copy = malloc(size);
	REQUIRE(l->views && l->times_ns && copy, "%s: no memory for %zu records", l->name, l->nviews);
	memcpy(copy, data, size);
	l->collector.received[desc->sensor]++;
	l->times_ns[l->nviews] = ts_boot_ns;
	l->views[l->nviews++] = (struct event_view){ .ev = copy, .desc = desc, .absent = &l->absent[desc->type] };
	return 0;
}

static bool nothing_waits(const struct live *l)
{
	for (unsigned i = 0; i < l->collector.transport.nqueues; i++)
		if (queue_fill(&l->collector.transport.queues[i]))
			return false;
	return true;
}

/* Once all queues were seen empty; a record that another CPU is writing blocks those behind it. */
void live_drain(struct live *l)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + 2 * NS_PER_S * live_patience();

	do {
		reader_drain(&l->collector.reader, true, keep_record, l);
		if (nothing_waits(l))
			return;
	} while (clock_ns(CLOCK_MONOTONIC) < deadline);
	CHECK(false, "%s: records wait that cannot be taken", l->name);
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* cpu, ring and slot above the number within them. */
static uint64_t number_key(const struct tapio_event *ev)
{
	return (uint64_t)ev->cpu << 48 | (uint64_t)ev->ring << 44 | (ev->number & 7) << 40 | ev->number >> 3;
}

/* Unique per CPU and ring; and where nothing was lost, each slot's numbers count from 0. */
static void check_numbers(const struct live *l)
{
	uint64_t *keys = calloc(l->nviews + 1, sizeof(*keys)), before = 0;

	REQUIRE(keys, "no memory");
	for (size_t i = 0; i < l->nviews; i++)
		keys[i] = number_key(l->views[i].ev);
	qsort(keys, l->nviews, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < l->nviews; i++) {
		bool first = !i || keys[i] >> 40 != before >> 40;

		CHECK(!i || keys[i] != before, "%s: number %#llx was given twice", l->name,
		      (unsigned long long)keys[i]);
		CHECK(l->lossy || (first ? !(keys[i] << 24) : keys[i] == before + 1),
		      "%s: number %#llx follows %#llx though nothing was lost", l->name,
		      (unsigned long long)keys[i], (unsigned long long)before);
		before = keys[i];
	}
	free(keys);
}

static void check_losses(struct live *l)
{
	struct losses losses;
	int err = collector_losses(&l->collector, true, &losses);

	CHECK(!err, "%s: losses: %s", l->name, strerror(-err));
	for (unsigned cause = 0; !err && cause < TAPIO_CAUSE_MAX; cause++) {
		uint64_t count = losses.count[l->sensor->id][cause];

		/* From 7.0 a program is preempted and then skipped elsewhere: told by the kernel, not our fault. */
		if (cause == TAPIO_CAUSE_RUN_SKIPPED && host_kernel_at_least(7, 0))
			continue;
		/* Other processes of the machine may hold arguments in pages that are not there. */
		if (cause == TAPIO_CAUSE_UNREADABLE || (cause == TAPIO_CAUSE_RUN_SKIPPED && l->skips))
			continue;
		CHECK(l->lossy || !count, "%s: lost: %s %llu", l->name, cause_name(cause),
		      (unsigned long long)count);
	}
}

static void check_slots(const struct live *l)
{
	_cleanup_free_ struct tapio_slot *slot = malloc(sizeof(*slot));
	const struct transport *t = &l->collector.transport;

	REQUIRE(slot, "no memory");
	for (__u32 i = 0; i < t->cpus * TAPIO_SLOTS; i++) {
		CHECK(!bpf_map_lookup_elem(t->slots_fd, &i, slot), "%s: slot %u: %s", l->name, i, strerror(errno));
		CHECK(!slot->claims, "%s: slot %u is still claimed %llu times", l->name, i,
		      (unsigned long long)slot->claims);
	}
}

void live_stop(struct live *l)
{
	unsigned fds;

	if (!l->running)
		return;
	l->running = false;
	live_about(l, "end");
	collector_detach(&l->collector);
	live_drain(l);
	check_losses(l);
	check_numbers(l);
	check_slots(l);
	collector_close(&l->collector);
	filter_close(&l->options.filter);
	fds = live_count_fds();
	CHECK(fds <= l->fds, "%s: %u descriptors before, %u after", l->name, l->fds, fds);
}

/* ---- records ---- */

bool live_gives_event(const struct live *l, unsigned type)
{
	return tier_gives_event(l->tier, event_desc_by_type(type));
}

const struct event_view *live_find(const struct live *l, unsigned type, pid_t pid, unsigned nth)
{
	for (size_t i = l->first; i < l->nviews; i++) {
		const struct tapio_event *ev = l->views[i].ev;

		if (ev->type == type && ev->tgid == (__u32)pid && !nth--)
			return &l->views[i];
	}
	return NULL;
}

unsigned live_count(const struct live *l, unsigned type, pid_t pid)
{
	unsigned n = 0;

	while (live_find(l, type, pid, n))
		n++;
	return n;
}

unsigned live_count_children(const struct live *l, pid_t parent)
{
	unsigned n = 0;

	for (size_t i = l->first; i < l->nviews; i++) {
		const struct tapio_process_fork *fork_record = (const void *)l->views[i].ev;

		n += fork_record->ev.type == TAPIO_EV_PROCESS_FORK && fork_record->parent_pid == (__u32)parent;
	}
	return n;
}

const struct event_view *live_one(const struct live *l, unsigned type, pid_t pid)
{
	unsigned n = live_count(l, type, pid), wanted = live_gives_event(l, type);

	CHECK(n == wanted, "%s: %u records of %s about process %d instead of %u", l->name, n,
	      event_desc_by_type(type)->name, pid, wanted);
	return n == 1 && wanted ? live_find(l, type, pid, 0) : NULL;
}

uint64_t live_skipped(const struct live *l)
{
	return sensor_skipped_runs(&l->collector.runs[l->sensor->id]);
}

uint64_t live_time_ns(const struct live *l, const struct event_view *view)
{
	return l->times_ns[view - l->views];
}
