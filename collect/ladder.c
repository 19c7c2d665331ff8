/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sensor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/host.h"
#include "base/log.h"
#include "collect/bpflog.h"
#include "collect/cgroup_root.h"
#include "collect/image.h"
#include "collect/tracefs.h"

extern const struct sensor *const __start_tapio_sensors[], *const __stop_tapio_sensors[];

const struct sensor *const *sensors(const struct sensor *const **ret_first)
{
	*ret_first = __start_tapio_sensors;
	return __stop_tapio_sensors;
}

unsigned ladder_height(const struct sensor *sensor)
{
	unsigned n = 0;

	while (n < TIERS_MAX && sensor->tiers[n].name)
		n++;
	return n;
}

/* ---- what a tier gives ---- */

/* Whether a space-separated list has "EVENT" (with field NULL) or "EVENT:FIELD". */
static bool list_has(const char *list, const char *event, const char *field)
{
	size_t nevent = strlen(event), nfield = field ? strlen(field) : 0;

	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (!field && n == nevent && !strncmp(list, event, n))
			return true;
		if (field && n == nevent + 1 + nfield && !strncmp(list, event, nevent) &&
		    list[nevent] == ':' && !strncmp(list + nevent + 1, field, nfield))
			return true;
		list += n;
		list += strspn(list, " ");
	}
	return false;
}

bool tier_gives_event(const struct tier *tier, const struct event_desc *desc)
{
	return !list_has(tier->loses, desc->name, NULL);
}

bool tier_gives_any(const struct tier *tier, uint64_t events)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && (events & EVENT_BIT(type)) && tier_gives_event(tier, desc))
			return true;
	}
	return false;
}

enum giving tier_gives(const struct tier *tier, const struct event_desc *desc, const char *field)
{
	if (list_has(tier->loses, desc->name, NULL) || list_has(tier->loses, desc->name, field))
		return GIVES_NOTHING;
	return list_has(tier->derives, desc->name, field) ? GIVES_DERIVED : GIVES_EXACT;
}

/* ---- loading ---- */

static bool program_wanted(const struct tier *tier, const char *name, uint64_t events)
{
	for (unsigned i = 0; i < TIER_PROGRAMS_MAX && tier->programs[i].name; i++)
		if (!strcmp(tier->programs[i].name, name))
			return tier->programs[i].events & events;
	return false;
}

static const char *missing_feature(const struct tier *tier, char *why)
{
	uint32_t needs = tier->needs | (tier->abi ? NEEDS(PERF_BUFFER) : NEEDS(BTF));

	for (enum feature f = 0; f < FEATURE_MAX; f++)
		if ((needs & (1u << f)) && !feature(f)->have) {
			snprintf(why, WHY_MAX, "needs %s: %s", feature_name(f), feature(f)->why);
			return why;
		}
	return NULL;
}

/* Where a variable lies in the object's read-only data; -ENOENT if it has none of that name. */
static int rodata_offset(const struct bpf_object *obj, const char *wanted)
{
	struct btf *btf = bpf_object__btf(obj);
	const struct btf_var_secinfo *var;
	const struct btf_type *sec;
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;

	if (id < 0)
		return -ENOENT;
	sec = btf__type_by_id(btf, (__u32)id);
	var = btf_var_secinfos(sec);
	for (unsigned i = 0; i < btf_vlen(sec); i++) {
		const struct btf_type *type = btf__type_by_id(btf, var[i].type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), wanted))
			return (int)var[i].offset;
	}
	return -ENOENT;
}

/* Writes a variable of the object's read-only data, if it has it. */
static int write_rodata(struct bpf_object *obj, const char *name, const void *value, size_t n)
{
	struct bpf_map *map = NULL, *m;
	_cleanup_free_ char *data = NULL;
	const void *initial;
	size_t size = 0;
	int offset;

	bpf_object__for_each_map(m, obj)
		if (strstr(bpf_map__name(m), ".rodata"))
			map = m;
	offset = map ? rodata_offset(obj, name) : -ENOENT;
	if (offset < 0)
		return 0;
	initial = bpf_map__initial_value(map, &size);
	data = malloc(size);
	if (!initial || !data || (size_t)offset + n > size)
		return -ENOMEM;
	memcpy(data, initial, size);
	memcpy(data + offset, value, n);
	return bpf_map__set_initial_value(map, data, size);
}

/* Fills the object's map of tracepoint offsets. */
static int write_layout(const struct sensor *sensor, struct bpf_object *obj, char *why)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "tapio_layout");
	char format[8192], layout[256] = {};
	const char *loaded = NULL;
	__u32 zero = 0;

	if (!map || !sensor->layout)
		return 0;
	for (const struct layout_field *f = sensor->layout; f->field; f++) {
		int offset = -ENOENT, size = 0, err = 0;
		uint16_t u16;

		if (!loaded || strcmp(loaded, f->tracepoint))
			err = tracepoint_format(f->tracepoint, format, sizeof(format));
		loaded = err ? NULL : f->tracepoint;
		if (!err)
			offset = format_field(format, f->field, &size);
		if (f->presence == LAYOUT_OPTIONAL_U64 && offset >= 0 && size != sizeof(uint64_t))
			offset = -ENOENT;
		if (offset < 0 && f->presence != LAYOUT_REQUIRED)
			continue;
		if (offset < 0 || offset > UINT16_MAX) {
			snprintf(why, WHY_MAX, "tracepoint %s: field %s: %s", f->tracepoint, f->field,
				 strerror(err ? -err : -offset));
			return -ENOENT;
		}
		u16 = (uint16_t)offset;
		memcpy(layout + f->at, &u16, sizeof(u16));
	}
	if (bpf_map_update_elem(bpf_map__fd(map), &zero, layout, BPF_ANY)) {
		snprintf(why, WHY_MAX, "map tapio_layout: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

/* `abi` objects have no read-only data: those that ask for the ports have a map of them. */
static int write_dns_ports(const struct sensor_run *run, char *why)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->obj, "dns_call_ports");
	struct tapio_dns_call_ports ports;
	__u32 zero = 0;

	if (!map)
		return 0;
	memcpy(ports.ports, run->dns_ports, sizeof(ports.ports));
	if (bpf_map_update_elem(bpf_map__fd(map), &zero, &ports, BPF_ANY)) {
		snprintf(why, WHY_MAX, "map dns_call_ports: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

/* A link of the root: other programs there, and below, go on as before. */
static struct bpf_link *attach_cgroup(struct bpf_program *prog, char *why)
{
	_cleanup_close_ int root = cgroup_root_open(why, WHY_MAX);
	struct bpf_link *link;

	if (root < 0)
		return NULL;
	link = bpf_program__attach_cgroup(prog, root);
	if (!link)
		snprintf(why, WHY_MAX, "attaching %s to the root of cgroup v2 (%s): %s%s", bpf_program__name(prog),
			 bpf_program__section_name(prog), strerror(errno),
			 errno == EPERM ? ": without CAP_NET_ADMIN, or beside a program that was attached to be alone" : "");
	return link;
}

/* Classic tracepoints through our own tracefs; everything else as libbpf does it. */
static int attach_program(struct sensor_run *run, struct bpf_program *prog, char *why)
{
	const char *section = bpf_program__section_name(prog);
	struct bpf_link *link;
	int err;

	if (!strncmp(section, "tp/", 3)) {
		int event = tracepoint_perf_open(section + 3);

		if (event < 0) {
			bool found = tracefs_dir() >= 0;

			snprintf(why, WHY_MAX, "tracepoint %s: %s%s", section + 3,
				 found ? strerror(-event) : tracefs_why(), found ? host_perf_hint(event) : "");
			return event;
		}
		link = bpf_program__attach_perf_event(prog, event); /* owns the event from here */
		if (!link)
			close(event);
	} else if (!strncmp(section, "cgroup", 6)) {
		link = attach_cgroup(prog, why);
		if (!link)
			return -EPERM;
	} else {
		link = bpf_program__attach(prog);
	}
	if (!link) {
		err = -errno;
		snprintf(why, WHY_MAX, "attaching %s to %s: %s%s", bpf_program__name(prog), section,
			 strerror(-err), err == -EEXIST ? ": another program is there, and before 4.15 there is room for one" : "");
		return err;
	}
	run->links[run->nlinks++] = link;
	return 0;
}

static int call_started(struct sensor_run *run, const struct tier *tier, char *why)
{
	int err;

	if (!run->sensor->started)
		return 0;
	run->tier = tier;
	err = run->sensor->started(run);
	if (err)
		snprintf(why, WHY_MAX, "starting: %s", strerror(-err));
	return err;
}

static int attach_all(struct sensor_run *run, const struct tier *tier, char *why)
{
	const char *before = run->sensor->before;
	bool started = false;

	/* In the tier's order: what others depend on comes first. */
	for (unsigned i = 0; i < TIER_PROGRAMS_MAX && tier->programs[i].name; i++) {
		struct bpf_program *prog;
		int err;

		if (!(tier->programs[i].events & run->events))
			continue;
		prog = bpf_object__find_program_by_name(run->obj, tier->programs[i].name);
		err = 0;
		if (before && !strcmp(tier->programs[i].name, before)) {
			err = call_started(run, tier, why);
			started = true;
		}
		if (!err)
			err = attach_program(run, prog, why);
		if (err)
			return err;
	}
	return started ? 0 : call_started(run, tier, why);
}

/* Each program that the tier names must be in the object: a typing error is not a rung. */
static int select_programs(const struct tier *tier, struct bpf_object *obj, uint64_t events, char *why)
{
	struct bpf_program *prog;

	for (unsigned i = 0; i < TIER_PROGRAMS_MAX && tier->programs[i].name; i++)
		if (!bpf_object__find_program_by_name(obj, tier->programs[i].name)) {
			snprintf(why, WHY_MAX, "object %s has no program %s", tier->object,
				 tier->programs[i].name);
			return -ENOENT;
		}
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_autoload(prog, program_wanted(tier, bpf_program__name(prog), events));
	return 0;
}

static int open_object(const struct tier *tier, struct sensor_run *run, char *why)
{
	const struct image *image = image_find(tier->object);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = tier->object,
		    .btf_custom_path = tier->abi ? NULL : feature_btf_path());

	if (!image) {
		snprintf(why, WHY_MAX, "object %s is not in this binary", tier->object);
		return -ENOENT;
	}
	run->obj = bpf_object__open_mem(image->data, image->size, &opts);
	if (!run->obj) {
		snprintf(why, WHY_MAX, "object %s: %s", tier->object, strerror(errno));
		return -errno;
	}
	return 0;
}

static void prepare_programs(struct bpf_object *obj, void (*prepare)(struct bpf_program *program))
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
		if (bpf_program__autoload(prog))
			prepare(prog);
}

static int try_tier(const struct tier *tier, const struct ladder_options *options, struct transport *t,
		    struct sensor_run *run, char *why)
{
	bool perf = tier->abi || (options->core_disabled & CORE_RINGBUF);
	int err;

	if (!tier_gives_any(tier, options->events)) {
		snprintf(why, WHY_MAX, "gives none of the events asked for");
		return -EOPNOTSUPP;
	}
	if (missing_feature(tier, why))
		return -EOPNOTSUPP;
	err = perf ? transport_use_perf(t) : transport_use_ring(t);
	if (err) {
		snprintf(why, WHY_MAX, "%s: %s%s", perf ? "perf buffers" : "ring buffers", strerror(-err),
			 perf ? host_perf_hint(err) : "");
		return err;
	}
	err = open_object(tier, run, why);
	if (err)
		return err;
	err = select_programs(tier, run->obj, options->events, why);
	if (err)
		return err;
	err = write_rodata(run->obj, "core_disabled", &options->core_disabled, sizeof(options->core_disabled));
	if (!err)
		err = write_rodata(run->obj, "legacy_subsystem", &options->legacy_subsystem, sizeof(options->legacy_subsystem));
	if (!err)
		err = write_rodata(run->obj, "dns_ports", run->dns_ports, sizeof(run->dns_ports));
	if (!err)
		err = transport_attach(t, run->obj, perf);
	if (err) {
		snprintf(why, WHY_MAX, "preparing object %s: %s", tier->object, strerror(-err));
		return err;
	}
	if (options->prepare)
		prepare_programs(run->obj, options->prepare);
	bpflog_begin();
	err = bpf_object__load(run->obj);
	if (err) {
		bpflog_reason(err, why, WHY_MAX);
		return err;
	}
	err = write_layout(run->sensor, run->obj, why);
	if (!err)
		err = write_dns_ports(run, why);
	if (!err)
		err = attach_all(run, tier, why);
	return err;
}

static void drop_object(struct sensor_run *run)
{
	sensor_detach(run);
	bpf_object__close(run->obj);
	run->obj = NULL;
	run->tier = NULL;
}

int ladder_climb(const struct sensor *sensor, const struct ladder_options *options, struct transport *t,
		 struct sensor_run *ret)
{
	unsigned height = ladder_height(sensor);
	bool known = false;

	memset(ret, 0, sizeof(*ret));
	ret->sensor = sensor;
	ret->events = options->events;
	memcpy(ret->dns_ports, options->dns_ports, sizeof(ret->dns_ports));
	if (!ret->dns_ports[0])
		ret->dns_ports[0] = 53;
	for (unsigned i = 0; i < height; i++) {
		const struct tier *tier = &sensor->tiers[i];
		struct tier_result *result = &ret->results[i];
		uint64_t start = clock_ns(CLOCK_MONOTONIC);

		if (options->force && strcmp(options->force, tier->name)) {
			snprintf(result->why, WHY_MAX, "tier %s was forced", options->force);
			continue;
		}
		known = true;
		if (!try_tier(tier, options, t, ret, result->why)) {
			result->state = TIER_RUNS;
			result->why[0] = '\0';
			ret->tier = tier;
			ret->load_ns = clock_ns(CLOCK_MONOTONIC) - start;
			return 0;
		}
		result->state = TIER_FAILED;
		log_debug("sensor %s: tier %s: %s", sensor_name(sensor->id), tier->name, result->why);
		drop_object(ret);
	}
	return options->force && !known ? -EINVAL : -ENOENT;
}

void sensor_detach(struct sensor_run *run)
{
	while (run->nlinks)
		bpf_link__destroy(run->links[--run->nlinks]);
}

void sensor_close(struct sensor_run *run)
{
	if (run)
		drop_object(run);
}

uint64_t sensor_skipped_runs(const struct sensor_run *run)
{
	struct bpf_program *prog;
	uint64_t sum = 0;

	if (!run->obj)
		return 0;
	bpf_object__for_each_program(prog, run->obj) {
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &length))
			sum += info.recursion_misses;
	}
	return sum;
}

const char *sensor_hook(const struct sensor_run *run, const char *program)
{
	struct bpf_program *prog = run->obj ? bpf_object__find_program_by_name(run->obj, program) : NULL;

	return prog && bpf_program__fd(prog) >= 0 ? bpf_program__section_name(prog) : NULL;
}

unsigned sensor_programs(const struct sensor_run *run, struct program_size ret[TIER_PROGRAMS_MAX])
{
	struct bpf_program *prog;
	unsigned n = 0;

	if (!run->obj)
		return 0;
	bpf_object__for_each_program(prog, run->obj) {
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);
		int fd = bpf_program__fd(prog);

		if (fd < 0 || n == TIER_PROGRAMS_MAX || bpf_obj_get_info_by_fd(fd, &info, &length))
			continue;
		ret[n++] = (struct program_size){ bpf_program__name(prog), (uint32_t)bpf_program__insn_cnt(prog),
						  info.verified_insns };
	}
	return n;
}

size_t sensor_map_bytes(const struct sensor_run *run)
{
	struct bpf_map *map;
	size_t sum = 0;

	if (!run->obj)
		return 0;
	bpf_object__for_each_map(map, run->obj)
		/* Shared ones are not counted here; before 4.15 the kernel has forgotten their names. */
		if (bpf_map__name(map)[0] && strncmp(bpf_map__name(map), "tapio_", 6))
			sum += (size_t)bpf_map__max_entries(map) *
			       (bpf_map__key_size(map) + bpf_map__value_size(map));
	return sum;
}

bool sensor_loss_is_provable(const struct sensor_run *run)
{
	if (!run->tier || host_kernel_at_least(6, 7))
		return true;
	for (unsigned i = 0; i < TIER_PROGRAMS_MAX && run->tier->programs[i].name; i++) {
		const char *hook = sensor_hook(run, run->tier->programs[i].name);

		if (hook && !strncmp(hook, "tp/", 3))
			return false;
	}
	return true;
}
