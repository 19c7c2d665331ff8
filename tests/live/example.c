/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/who_kills.bpf.c as somebody else would use it: with libbpf alone and without any of
 * Tapio's loader, reader or maps, through a ring buffer and through perf buffers.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cpus.h"
#include "collect/feature.h"
#include "collect/image.h"
#include "event/event.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/* What the example sends. */
struct who_kills {
	struct tapio_event ev;
	__u64 target_cgroup_id;
	__u32 target_tgid;
	__u32 target_vpid;
	__s32 call;
	__s32 call_arg1;
	__u64 signal;
};

enum { KEPT_MAX = 64, PATIENCE_SECONDS = 10 };

/* Signals that this process sent to others, in the order of reading. */
struct kept {
	struct who_kills recs[KEPT_MAX];
	unsigned n;
};

/* One run of the example. */
struct example {
	const char *name;
	bool perf;
	struct bpf_object *obj;
	struct bpf_link *link;
	struct ring_buffer *ring; /* one of the two */
	struct perf_buffer *perf_reader;
	struct kept kept;
};

static struct bpf_map *map_of(const struct example *e, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(e->obj, name);

	REQUIRE(map, "%s: map %s: not found", e->name, name);
	return map;
}

/* As emit.h says: a ring that is sent through perf buffers. */
static void make_perf(const struct example *e, const char *name)
{
	struct bpf_map *map = map_of(e, name);

	CHECK(!bpf_map__set_type(map, BPF_MAP_TYPE_PERF_EVENT_ARRAY) && !bpf_map__set_key_size(map, 4) &&
		      !bpf_map__set_value_size(map, 4) && !bpf_map__set_max_entries(map, 0),
	      "%s: map %s: cannot be changed", e->name, name);
}

/* A skeleton would give it by its name. */
static __u64 *core_disabled(const struct example *e)
{
	const struct btf *btf = bpf_object__btf(e->obj);
	const struct btf_type *rodata = btf__type_by_id(btf, (__u32)btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC));
	size_t size = 0;
	char *data = (void *)bpf_map__initial_value(map_of(e, ".rodata"), &size);

	for (unsigned i = 0; data && rodata && i < btf_vlen(rodata); i++) {
		const struct btf_var_secinfo *var = btf_var_secinfos(rodata) + i;
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), "core_disabled") && var->offset + sizeof(__u64) <= size)
			return (__u64 *)(data + var->offset);
	}
	return NULL;
}

static void rule_out_ring(const struct example *e)
{
	__u64 *disabled = core_disabled(e);

	REQUIRE(disabled, "%s: core_disabled is not in .rodata", e->name);
	*disabled = CORE_RINGBUF;
}

static void example_open(struct example *e, const char *name, bool perf)
{
	const struct image *image = image_find("who_kills");

	memset(e, 0, sizeof(*e));
	e->name = name;
	e->perf = perf;
	REQUIRE(image, "who_kills is not embedded");
	e->obj = bpf_object__open_mem(image->data, image->size, NULL);
	REQUIRE(e->obj, "%s: open: %s", name, strerror(errno));
	if (perf) {
		rule_out_ring(e);
		make_perf(e, "tapio_control");
		make_perf(e, "tapio_bulk");
	}
}

static struct tapio_counters counters(const struct example *e)
{
	int cpus = libbpf_num_possible_cpus();
	struct tapio_counters sum = {}, *each = calloc((size_t)cpus, sizeof(*each));
	__u32 sensor = 0;

	REQUIRE(each && !bpf_map_lookup_elem(bpf_map__fd(map_of(e, "tapio_counts")), &sensor, each),
		"%s: counters: %s", e->name, strerror(errno));
	for (int cpu = 0; cpu < cpus; cpu++) {
		sum.made += each[cpu].made;
		for (int i = 0; i < TAPIO_CAUSE_MAX; i++)
			sum.lost[i] += each[cpu].lost[i];
	}
	free(each);
	return sum;
}

/* ---- reading ---- */

static int keep(void *arg, void *data, size_t size)
{
	struct example *e = arg;
	const struct who_kills *rec = data;
	struct kept *kept = &e->kept;

	/* A perf record is padded. */
	CHECK(rec->ev.size == sizeof(*rec) && size >= sizeof(*rec), "%s: a record of %u bytes in %zu",
	      e->name, rec->ev.size, size);
	if (rec->ev.tgid == (__u32)getpid() && kept->n < KEPT_MAX)
		kept->recs[kept->n++] = *rec;
	return 0;
}

static void keep_perf(void *arg, int cpu, void *data, __u32 size)
{
	(void)cpu;
	keep(arg, data, size);
}

static void example_start(struct example *e)
{
	int err = bpf_object__load(e->obj), fd;

	REQUIRE(!err, "%s: load: %s", e->name, strerror(-err));
	fd = bpf_map__fd(map_of(e, "tapio_control"));
	if (e->perf)
		e->perf_reader = perf_buffer__new(fd, 64, keep_perf, NULL, e, NULL);
	else
		e->ring = ring_buffer__new(fd, keep, e, NULL);
	REQUIRE(e->ring || e->perf_reader, "%s: no reader: %s", e->name, strerror(errno));
	e->link = bpf_program__attach(bpf_object__find_program_by_name(e->obj, "who_kills"));
	REQUIRE(e->link, "%s: attach: %s", e->name, strerror(errno));
}

static void example_close(struct example *e)
{
	bpf_link__destroy(e->link);
	ring_buffer__free(e->ring);
	perf_buffer__free(e->perf_reader);
	bpf_object__close(e->obj);
}

/* Until there are n records; libbpf's own readers are woken as the kernel does by itself. */
static void read_until(struct example *e, unsigned n)
{
	time_t end = time(NULL) + PATIENCE_SECONDS;

	while (e->kept.n < n && time(NULL) < end) {
		if (e->ring)
			ring_buffer__poll(e->ring, 1000 * PATIENCE_SECONDS);
		else
			perf_buffer__poll(e->perf_reader, 1000 * PATIENCE_SECONDS);
	}
	CHECK(time(NULL) < end, "%s: %u records of %u after %d s", e->name, e->kept.n, n, PATIENCE_SECONDS);
}

/* ---- the example at work ---- */

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static pid_t start_target(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		for (;;)
			pause();
	setpgid(pid, pid);
	return pid;
}

/* Signals that nobody sent to another process. */
static void signal_nobody_else(void)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	raise(SIGURG);
	kill(getpid(), SIGURG);
	CHECK(!pipe(fds) && !close(fds[0]) && write(fds[1], "", 1) < 0 && errno == EPIPE,
	      "no SIGPIPE of the kernel's: %s", strerror(errno));
	close(fds[1]);
}

static void check_record(const struct example *e, unsigned i, pid_t target, pid_t arg1, int sig)
{
	const struct who_kills *rec = &e->kept.recs[i];
	char comm[TAPIO_COMM_LEN] = "";
	uint64_t cgroup = own_cgroup_id();

	prctl(PR_GET_NAME, comm);
	if (i >= e->kept.n)
		return;
	CHECK(rec->target_tgid == (__u32)target && rec->target_vpid == (__u32)target,
	      "%s: record %u: to %u (%u), not %d", e->name, i, rec->target_tgid, rec->target_vpid, target);
	CHECK(rec->call == SYS_kill && rec->call_arg1 == arg1, "%s: record %u: call %d(%d), not %d(%d)",
	      e->name, i, rec->call, rec->call_arg1, (int)SYS_kill, arg1);
	CHECK(rec->signal == (__u64)sig, "%s: record %u: signal %llu, not %d", e->name, i, rec->signal, sig);
	CHECK(!memcmp(rec->ev.comm, comm, sizeof(comm)), "%s: record %u: comm %.16s", e->name, i, rec->ev.comm);
	CHECK(!cgroup || (rec->ev.cgroup_id == cgroup && rec->target_cgroup_id == cgroup),
	      "%s: record %u: cgroups %llu and %llu, not %llu", e->name, i, rec->ev.cgroup_id,
	      rec->target_cgroup_id, (unsigned long long)cgroup);
}

/* Records made on one CPU differ in their numbers. */
static void check_numbers(const struct example *e)
{
	for (unsigned i = 0; i < e->kept.n; i++)
		for (unsigned k = 0; k < i; k++) {
			const struct tapio_event *a = &e->kept.recs[i].ev, *b = &e->kept.recs[k].ev;

			CHECK(a->cpu != b->cpu || a->number != b->number,
			      "%s: records %u and %u: cpu %u, number %llu", e->name, k, i, a->cpu, a->number);
		}
}

static bool pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static void run_example(const char *name, bool perf)
{
	unsigned fds = count_fds();
	struct tapio_counters c;
	struct example e;
	pid_t target;

	example_open(&e, name, perf);
	CHECK(!bpf_map__set_max_entries(map_of(&e, "tapio_slots"),
					TAPIO_SLOTS * (unsigned)libbpf_num_possible_cpus()),
	      "%s: map tapio_slots: cannot be changed", name);
	example_start(&e);
	CHECK(pin_to(cpus_first_online()), "%s: %s", name, strerror(errno)); /* perf buffers: one order */
	target = start_target();
	signal_nobody_else();
	kill(target, SIGURG);
	kill(-target, SIGWINCH);
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	signal_nobody_else();
	kill(start_target(), SIGKILL);
	wait(NULL);
	read_until(&e, 4);
	CHECK(e.kept.n == 4, "%s: %u records, not 4", name, e.kept.n);
	check_record(&e, 0, target, target, SIGURG);
	check_record(&e, 1, target, -target, SIGWINCH);
	check_record(&e, 2, target, target, SIGKILL);
	check_numbers(&e);
	c = counters(&e);
	CHECK(c.made >= 4, "%s: %llu records made", name, c.made);
	for (int i = 0; i < TAPIO_CAUSE_MAX; i++)
		CHECK(!c.lost[i], "%s: %llu lost by cause %d", name, c.lost[i], i);
	example_close(&e);
	CHECK(count_fds() == fds, "%s: %u descriptors before, %u after", name, fds, count_fds());
}

TEST(live, example_loads_and_runs)
{
	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	if (feature(FEATURE_RINGBUF)->have)
		run_example("ring buffer", false);
	run_example("perf buffers", true);
}

/* Nobody made slots for this CPU: every record that is not there is counted. */
TEST(live, example_without_slots_counts_its_losses)
{
	int cpu = libbpf_num_possible_cpus() - 1;
	struct tapio_counters c;
	struct example e;
	pid_t target;

	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	if (!cpu || !pin_to(cpu))
		SKIP("one CPU: it has the default slots");
	example_open(&e, "no slots", !feature(FEATURE_RINGBUF)->have);
	example_start(&e);
	target = start_target();
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	if (e.ring)
		ring_buffer__consume(e.ring);
	else
		perf_buffer__consume(e.perf_reader);
	c = counters(&e);
	CHECK(c.made && c.lost[TAPIO_CAUSE_NO_SLOT] && !e.kept.n, "%llu made, %llu without a slot, %u seen",
	      c.made, c.lost[TAPIO_CAUSE_NO_SLOT], e.kept.n);
	example_close(&e);
}
