/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf/include/: registers and arguments, features, drift. On the running kernel against what this
 * process knows of itself, and against the types of an old one.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/feature.h"
#include "collect/image.h"
#include "tests/bpf/core_layer.bpf.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

#define ARG_2 0x1122334455667788ull /* wider than an int */

/* A call that fails at once, with six arguments that differ. */
static long odd_call(void)
{
	return syscall(SYS_splice, -1L, ARG_2, -3L, 4L, 5L, 6L);
}

static struct bpf_object *layer_open(const char *btf_path, __u64 core_disabled)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = btf_path);
	const struct image *image = image_find("core_layer");
	struct bpf_object *obj;
	size_t size = 0;
	__u64 *disabled;

	REQUIRE(image, "core_layer is not embedded");
	obj = bpf_object__open_mem(image->data, image->size, &opts);
	REQUIRE(obj, "open: %s", strerror(errno));
	disabled = (void *)bpf_map__initial_value(bpf_object__find_map_by_name(obj, ".rodata"), &size);
	REQUIRE(disabled && size == sizeof(*disabled), "%zu bytes of .rodata", size);
	*disabled = core_disabled;
	return obj;
}

static int seen_map(const struct bpf_object *obj)
{
	return bpf_map__fd(bpf_object__find_map_by_name(obj, "seen"));
}

/* Loads the layer, makes the call, and says what was seen. */
static struct core_layer_seen look(__u64 core_disabled)
{
	struct core_layer_seen s = { .tgid = (__u32)getpid(), .call = SYS_splice };
	struct bpf_object *obj = layer_open(NULL, core_disabled);
	struct bpf_link *enter, *leave;
	__u32 zero = 0;
	int err = bpf_object__load(obj);

	REQUIRE(!err, "load: %s", strerror(-err));
	REQUIRE(!bpf_map_update_elem(seen_map(obj), &zero, &s, BPF_ANY), "map seen: %s", strerror(errno));
	enter = bpf_program__attach(bpf_object__find_program_by_name(obj, "core_layer_enter"));
	leave = bpf_program__attach(bpf_object__find_program_by_name(obj, "core_layer_exit"));
	REQUIRE(enter && leave, "attach: %s", strerror(errno));
	getppid(); /* of ours, but another call */
	CHECK(odd_call() == -1 && errno == EBADF, "splice: %s", strerror(errno));
	bpf_link__destroy(enter);
	bpf_link__destroy(leave);
	REQUIRE(!bpf_map_lookup_elem(seen_map(obj), &zero, &s), "map seen: %s", strerror(errno));
	bpf_object__close(obj);
	return s;
}

static void check_call(const char *where, const struct core_layer_call *c)
{
	const __u64 want[6] = { -1ULL, ARG_2, -3ULL, 4, 5, 6 };

	CHECK(c->count == 1, "%s: seen %llu times", where, c->count);
	CHECK(c->number == SYS_splice, "%s: number %lld", where, c->number);
	for (int i = 0; i < 6; i++)
		CHECK(c->args[i] == want[i], "%s: argument %d: %llx, not %llx", where, i + 1, c->args[i], want[i]);
}

/* Fields of /proc/self/stat and /proc/self/status, as numbers. */
static unsigned long long start_ticks(void)
{
	unsigned long long ticks = 0;
	char text[1024] = "";
	_cleanup_fclose_ FILE *f = fopen("/proc/self/stat", "re");
	char *at = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;

	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	REQUIRE(at && sscanf(at, "%llu", &ticks) == 1, "/proc/self/stat: %s", text);
	return ticks;
}

static unsigned long long cap_effective(void)
{
	unsigned long long caps = 0;
	char line[256];
	bool found = false;
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "CapEff: %llx", &caps) == 1;
	REQUIRE(found, "/proc/self/status: no CapEff");
	return caps;
}

static void check_task(const struct core_layer_seen *s)
{
	unsigned long long ticks = start_ticks(), tick_ns = 1000000000ull / (unsigned long)sysconf(_SC_CLK_TCK);
	uint64_t cgroup = own_cgroup_id();
	struct stat pid_ns = {};

	CHECK(s->start_ns / tick_ns == ticks, "started %llu ns after boot, not %llu ticks", s->start_ns, ticks);
	CHECK(s->cap_effective == cap_effective(), "capabilities %llx", s->cap_effective);
	CHECK(s->cgroup_by_walk == s->cgroup_by_helper, "cgroup %llu, by the helper %llu", s->cgroup_by_walk,
	      s->cgroup_by_helper);
	CHECK(!cgroup || s->cgroup_by_walk == cgroup, "cgroup %llu, not %llu", s->cgroup_by_walk,
	      (unsigned long long)cgroup);
	CHECK(!stat("/proc/self/ns/pid", &pid_ns) && s->pid_ns == pid_ns.st_ino, "pid namespace %u", s->pid_ns);
	CHECK(s->vpid == (__u32)getpid(), "pid %u", s->vpid);
}

TEST(live, core_layer_reads_calls_and_tasks)
{
	struct core_layer_seen s;

	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	s = look(0);
	check_call("entry", &s.enter);
	check_call("exit", &s.exit);
	CHECK(s.exit.result == -EBADF, "exit: result %lld", s.exit.result);
	check_task(&s);
}

TEST(live, core_layer_features_can_be_ruled_out)
{
	struct core_layer_seen all, none;
	__u64 both = CORE_RINGBUF | CORE_BOOT_CLOCK;

	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	all = look(0);
	none = look(CORE_BOOT_CLOCK);
	CHECK(!(all.has & CORE_BOOT_CLOCK) == !feature(FEATURE_BOOT_CLOCK)->have, "features %llx", all.has);
	CHECK(all.ring_and_clock == ((all.has & both) == both) && all.required == all.ring_and_clock,
	      "features %llx: both %llu, required %llu", all.has, all.ring_and_clock, all.required);
	CHECK(!all.unheard_of, "a feature that is none");
	CHECK(none.has == (all.has & ~(__u64)CORE_BOOT_CLOCK), "without the clock: %llx, not %llx less it",
	      none.has, all.has);
	CHECK(!none.ring_and_clock && !none.required, "without the clock: both %llu, required %llu",
	      none.ring_and_clock, none.required);
	CHECK(none.start_ns == all.start_ns, "the rest of the layer has changed with it");
}

/* A file with the types of a kernel that is not running. */
static const char *types_file(const char *name)
{
	static char path[32];
	const struct image *image = image_find(name);
	int fd = memfd_create(name, MFD_CLOEXEC);

	REQUIRE(image && fd >= 0 && write(fd, image->data, image->size) == (ssize_t)image->size, "%s: %s", name,
		strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/*
 * Each relocation finds its place in the types of 5.4 or is in a branch that they rule out. It is
 * not run: there is no such kernel below it.
 */
TEST(live, core_layer_fits_the_types_of_5_4)
{
	struct bpf_object *obj;
	int err;

	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	obj = layer_open(types_file("kernel_5_4"), 0);
	err = bpf_object__load(obj);
	CHECK(!err, "load: %s", strerror(-err));
	bpf_object__close(obj);
}

/* Through a perf buffer, as 5.4 has nothing else. */
static void make_perf(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	REQUIRE(map && !bpf_map__set_type(map, BPF_MAP_TYPE_PERF_EVENT_ARRAY) && !bpf_map__set_key_size(map, 4) &&
			!bpf_map__set_value_size(map, 4) && !bpf_map__set_max_entries(map, 0),
		"map %s: cannot be changed", name);
}

TEST(live, process_fits_the_types_of_5_4)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = types_file("kernel_5_4"));
	const struct image *image = image_find("process");
	struct bpf_program *prog;
	struct bpf_object *obj;
	int err;

	live_need("raw_tp", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
	obj = bpf_object__open_mem(image->data, image->size, &opts);
	REQUIRE(obj, "open: %s", strerror(errno));
	make_perf(obj, "tapio_control");
	make_perf(obj, "tapio_bulk");
	/* Those are attached by the types of the kernel that runs. */
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_autoload(prog, strncmp(bpf_program__section_name(prog), "tp_btf/", 7));
	err = bpf_object__load(obj);
	CHECK(!err, "load: %s", strerror(-err));
	bpf_object__close(obj);
}
