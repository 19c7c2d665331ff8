/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sensor: the unit of loading, of degrading and of failing. It is data.
 *
 * A sensor yields events and has a ladder of tiers, best first. A tier names an embedded BPF
 * object, the programs of it that must run, the features without which trying is pointless, and
 * what it cannot give. What is really tried, in order, is in ladder.c.
 *
 * One file per sensor; SENSOR registers it, so that no list needs an edit.
 */
#ifndef COLLECT_SENSOR_H
#define COLLECT_SENSOR_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "collect/feature.h"
#include "collect/transport.h"
#include "event/dns.h"
#include "event/table.h"

#define EVENT_BIT(type) (1ull << (type))

/* A program, and the events for which it is needed. One that nobody asked for is not loaded. */
struct program_ref {
	const char *name;
	uint64_t events; /* EVENT_BIT of each */
};

#define TIER_PROGRAMS_MAX 32

struct tier {
	const char *name;   /* "tp_btf", unique in its ladder */
	const char *object; /* embedded object: "process", "process_abi" */
	bool abi;           /* no CO-RE: needs no BTF, sends through perf buffers */
	uint32_t needs;     /* NEEDS(RAW_TP) | …: preselects; not what is as costly to probe as to load */
	/*
	 * Space-separated: "EVENT" (all of it) or "EVENT:FIELD" of what this tier cannot give, and of
	 * what it gives less exactly than the field's description promises, with the reason.
	 */
	const char *loses;
	const char *derives;
	const char *derives_how;
	struct program_ref programs[TIER_PROGRAMS_MAX];
};

enum layout_presence {
	LAYOUT_REQUIRED,     /* without it the tier does not run */
	LAYOUT_OPTIONAL,     /* absent on some kernels: its offset stays 0 */
	LAYOUT_OPTIONAL_U64, /* the same, and of another size it counts as absent */
};

/* A field of a tracepoint whose offset the object's map `tapio_layout` wants. */
struct layout_field {
	const char *tracepoint; /* "sched/sched_process_exec" */
	const char *field;
	uint16_t at;  /* byte in the layout structure where the u16 offset goes */
	uint8_t presence; /* enum layout_presence */
};

struct sensor_run;

struct sensor {
	uint8_t id; /* enum tapio_sensor */
	const char *help;
	const struct tier *tiers;          /* ends with a tier without a name */
	const struct layout_field *layout; /* ends with a field without a name; NULL: none */
	/* Called once its programs are attached, those up to `before` if that is not NULL. Optional. 0 or a negative errno, which costs the tier. */
	int (*started)(const struct sensor_run *run);
	const char *before;
};

#define SENSOR(name)                                                                               \
	extern const struct sensor sensor_##name;                                                  \
	static const struct sensor *const sensor_##name##_ref                                      \
		__attribute__((used, section("tapio_sensors"))) = &sensor_##name;                  \
	const struct sensor sensor_##name

/* All registered sensors: from *ret_first up to the returned end. */
const struct sensor *const *sensors(const struct sensor *const **ret_first);

/* ---- a sensor at work ---- */

#define TIERS_MAX 8
#define WHY_MAX 320

enum tier_state {
	TIER_NOT_TRIED, /* a better one runs */
	TIER_RUNS,
	TIER_FAILED, /* why says at what */
};

struct tier_result {
	enum tier_state state;
	char why[WHY_MAX];
};

struct sensor_run {
	const struct sensor *sensor;
	const struct tier *tier; /* NULL: none runs */
	struct tier_result results[TIERS_MAX];
	struct bpf_object *obj;
	struct bpf_link *links[TIER_PROGRAMS_MAX];
	unsigned nlinks;
	uint64_t events;   /* asked for */
	uint64_t skipped;  /* runs that the kernel skipped, as last read */
	uint16_t dns_ports[TAPIO_DNS_PORTS_MAX];
	uint64_t load_ns;  /* what loading and attaching the tier that runs took */
};

struct ladder_options {
	const char *force;    /* name of the only tier to try; NULL: all */
	uint64_t events;      /* EVENT_BIT of what is wanted */
	uint64_t core_disabled; /* CORE_* bits ruled out */
	uint32_t legacy_subsystem; /* whose v1 hierarchy legacy_cgroup_id is of: TAPIO_SUBSYSTEM_*; 0: none */
	uint16_t dns_ports[TAPIO_DNS_PORTS_MAX]; /* all 0: 53 */
	void (*prepare)(struct bpf_program *program); /* optional: for each program that will be loaded */
};

/*
 * Tries the tiers, best first, until one has all its programs attached. 0, or -ENOENT if none
 * runs (ret->results says why), or -EINVAL if the forced tier is unknown.
 */
int ladder_climb(const struct sensor *sensor, const struct ladder_options *options, struct transport *t,
		 struct sensor_run *ret);

/* Number of tiers of a sensor. */
unsigned ladder_height(const struct sensor *sensor);

/* Detaches; counters and state can still be read. */
void sensor_detach(struct sensor_run *run);
void sensor_close(struct sensor_run *run);

/* Runs that the kernel skipped to prevent recursion, all programs together, since they were loaded. */
uint64_t sensor_skipped_runs(const struct sensor_run *run);

/* The section of an attached program, which names its hook: "tp_btf/sched_process_exec"; NULL if not attached. */
const char *sensor_hook(const struct sensor_run *run, const char *program);

struct program_size {
	const char *name;
	uint32_t instructions;
	uint32_t verified; /* how many the verifier went through; 0: this kernel does not say (before 5.16) */
};

/* Of the programs that are loaded. Their number. */
unsigned sensor_programs(const struct sensor_run *run, struct program_size ret[TIER_PROGRAMS_MAX]);

/* Bytes of the maps that this sensor alone has: entries times key and value. */
size_t sensor_map_bytes(const struct sensor_run *run);

/*
 * Whether every run that the kernel skips is counted. Classic tracepoint programs are skipped when
 * they nest, which is counted from 6.7 (dd8657894c11); other programs have always been counted
 * since they are skipped at all (6.1, 05b24ff9b2cf).
 */
bool sensor_loss_is_provable(const struct sensor_run *run);

/* Whether a tier gives a field, and how. */
enum giving { GIVES_EXACT, GIVES_DERIVED, GIVES_NOTHING };
enum giving tier_gives(const struct tier *tier, const struct event_desc *desc, const char *field);
/* Whether a tier gives the event at all. */
bool tier_gives_event(const struct tier *tier, const struct event_desc *desc);
/* Whether it gives one of the events, EVENT_BIT of each. */
bool tier_gives_any(const struct tier *tier, uint64_t events);

#endif
