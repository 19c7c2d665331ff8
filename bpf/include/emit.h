/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only way to send a record.
 *
 *	if (!event_wanted(TAPIO_EV_PROCESS_EXIT))
 *		return 0;
 *	rec = record_begin(TAPIO_SENSOR_PROCESS, TAPIO_EV_PROCESS_EXIT, TAPIO_RING_CONTROL, sizeof(*rec));
 *	if (!rec)
 *		return 0;
 *	... fill it in, tail strings after the fixed part ...
 *	return record_send(ctx, rec, TAPIO_RING_CONTROL, size);
 *
 * Memory. A record is built in a scratch slot that this run owns. Programs nest (a tracepoint
 * inside a tracepoint, cgroup_skb inside itself) and since 7.0 tracepoint programs are preempted,
 * so a bare per-CPU buffer would be overwritten half-way. A run owns a slot if its own increment
 * made `claims` 1: two runs can both fail (and take the next slot), but never both succeed, and
 * plain atomic add is all it takes, which every kernel has. No free slot is a counted loss.
 *
 * Numbers. Each slot numbers its own records, per ring, while it is owned; with the slot's index
 * in the low 3 bits a number is unique per CPU and ring without fetch-and-add (5.12 and later). A
 * reader sees a gap in one slot's numbers as a loss. Order in time is ts_ns, not number.
 *
 * Sending. Ring buffer where the kernel has one, else perf buffer; `abi` objects always use the
 * perf buffer. Never one wake-up per record: the reader is woken when it declared itself asleep,
 * or once when the ring passes its watermark (perf: the kernel's own watermark).
 *
 * An `abi` object defines TAPIO_ABI before it includes this file.
 */
#ifndef TAPIO_EMIT_H
#define TAPIO_EMIT_H

#include "vmlinux_minimal.h"
#include <bpf/bpf_helpers.h>
#include "bounded.h"
#include "event/event.h"
#ifndef TAPIO_ABI
#include "core_compat.h"
#endif

/*
 * Shared by all objects: the loader makes each map once and hands it to every object, with the
 * sizes of this machine and, for the two rings, the type that this kernel has.
 *
 * Any other libbpf program can use them too. It does this between open and load, and no more:
 *	tapio_slots     max_entries = TAPIO_SLOTS * libbpf_num_possible_cpus(). A record that finds
 *	                no slot is counted as TAPIO_CAUSE_NO_SLOT
 *	tapio_counts    max_entries = the number of its sensors, if its own numbers (from 0) do not
 *	                fit; read afterwards, it says what was made and what was lost
 *	tapio_control,  max_entries = bytes, a power of two of pages; 1 MiB if left alone. Where BTF
 *	tapio_bulk      has no BPF_FUNC_ringbuf_output, or with CORE_RINGBUF in core_disabled: type
 *	                BPF_MAP_TYPE_PERF_EVENT_ARRAY, key_size and value_size 4, max_entries 0
 * Then ring_buffer__new or perf_buffer__new on the ring's descriptor. Maps left at zero mean: no
 * filter, everybody's events, wake-ups as the kernel does them by itself. examples/ shows it.
 */
struct {
#ifdef TAPIO_ABI
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
#else
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
#endif
} tapio_control SEC(".maps"), tapio_bulk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} tapio_bell SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TAPIO_SLOTS);
	__type(key, u32);
	__type(value, struct tapio_slot);
} tapio_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TAPIO_SENSOR_MAX);
	__type(key, u32);
	__type(value, struct tapio_counters);
} tapio_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TAPIO_RINGS);
	__type(key, u32);
	__type(value, struct tapio_reader);
} tapio_readers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tapio_config);
} tapio_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TAPIO_FILTER_KEYS_MAX);
	__type(key, struct tapio_filter_key);
	__type(value, u32);
} tapio_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, TAPIO_FILTER_CGROUPS_MAX);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} tapio_cgroups SEC(".maps");

/*
 * Cgroups that are not wanted: user space enters what it has found out. Allocated in advance: with a
 * map that is not, kernels from 5.6 to 6.0 warn when a tracing program is loaded (some panic then),
 * and RT kernels refuse it (94dacdbd5d2d).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TAPIO_VERDICTS_MAX);
	__type(key, struct tapio_cgroup_key);
	__type(value, u32);
} tapio_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TAPIO_BUDGETS_MAX);
	__type(key, struct tapio_budget_key);
	__type(value, struct tapio_budget);
} tapio_budgets SEC(".maps");

/* Heartbeats that reached a hook, by event type. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TAPIO_EV_MAX);
	__type(key, u32);
	__type(value, u64);
} tapio_beats SEC(".maps");

/*
 * What a program on a classic tracepoint returns. 0 would hide the event from every perf user of the
 * tracepoint on the machine: trace_call_bpf() and its callers take it for "filter out".
 */
#define TP_PASS 1

/* ---- counters ---- */

static __always_inline struct tapio_counters *counters_of(u32 sensor)
{
	return bpf_map_lookup_elem(&tapio_counts, &sensor);
}

/* One thing that happened at a hook will not reach the reader, or not whole. */
static __always_inline void count_loss(u32 sensor, u32 cause)
{
	struct tapio_counters *c = counters_of(sensor);

	if (c && cause < TAPIO_CAUSE_MAX)
		__sync_fetch_and_add(&c->lost[cause], 1);
}

/* ---- who ---- */

static __always_inline struct tapio_config *settings(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&tapio_settings, &zero);
}

#ifndef TAPIO_ABI
/*
 * Whose v1 hierarchy legacy_cgroup_id is of: TAPIO_SUBSYSTEM_*. Written by the loader before the object is loaded: 0,
 * where there is none, and what looks there is not even verified (from 5.5).
 */
const volatile u32 legacy_subsystem = 0;

/* The current task's place in the cgroup trees. */
static __always_inline void current_cgroups(struct tapio_cgroup_key *ret)
{
	ret->id = bpf_get_current_cgroup_id();
	ret->legacy_id = legacy_subsystem ? current_legacy_cgroup_id(legacy_subsystem) : 0;
}

/* The same for hooks that are rare: slower to run, and sooner loaded (see current_legacy_cgroup_id). */
static __always_inline void current_cgroups_at_rare_hook(struct tapio_cgroup_key *ret)
{
	ret->id = bpf_get_current_cgroup_id();
	ret->legacy_id = legacy_subsystem ?
				 task_legacy_cgroup_id((void *)bpf_get_current_task(), legacy_subsystem) : 0;
}
#endif

/* ---- budgets ---- */

/*
 * Whether a cgroup may send one more record through this sensor in this second. Two CPUs that begin a
 * new second together may each let a few more pass: a limit, not an account. A refusal is counted
 * for the sensor and for the cgroup. `each`: so many records make an event.
 */
static __always_inline bool budget_allows_parts(const struct tapio_config *cfg, u32 sensor,
						const struct tapio_cgroup_key *cgroup, u32 each)
{
	struct tapio_budget_key key = {};
	struct tapio_budget *budget, first = {};
	u64 second;

	if (!cfg || !cfg->events_per_second || !(cgroup->id | cgroup->legacy_id))
		return true;
	key.cgroup.id = cgroup->id;
	key.cgroup.legacy_id = cgroup->legacy_id;
	key.sensor = sensor;
	second = bpf_ktime_get_ns() / 1000000000;
	budget = bpf_map_lookup_elem(&tapio_budgets, &key);
	if (!budget) {
		first.second = second;
		first.used = 1;
		bpf_map_update_elem(&tapio_budgets, &key, &first, BPF_NOEXIST);
		return true;
	}
	if (budget->second < second) { /* not backwards: another CPU may have looked at the clock before */
		budget->second = second;
		budget->used = 0;
	}
	__sync_fetch_and_add(&budget->used, 1);
	if (*(volatile u64 *)&budget->used <= (u64)cfg->events_per_second * each)
		return true;
	__sync_fetch_and_add(&budget->refused, 1);
	count_loss(sensor, TAPIO_CAUSE_BUDGET);
	return false;
}

static __always_inline bool budget_allows(const struct tapio_config *cfg, u32 sensor,
					  const struct tapio_cgroup_key *cgroup)
{
	return budget_allows_parts(cfg, sensor, cgroup, 1);
}

/* ---- filters ---- */

static __always_inline bool filter_has(u32 kind, u32 number)
{
	struct tapio_filter_key key = {};

	key.kind = kind;
	__builtin_memcpy(key.value, &number, sizeof(number));
	return bpf_map_lookup_elem(&tapio_filter, &key) != NULL;
}

static __always_inline bool filter_has_comm(void)
{
	struct tapio_filter_key key = {};

	key.kind = TAPIO_FILTER_COMM;
	bpf_get_current_comm(key.value, sizeof(key.value));
	return bpf_map_lookup_elem(&tapio_filter, &key) != NULL;
}

/* Unused entries answer with an error, so there is nothing to count. */
static __always_inline bool filter_has_cgroup(void)
{
	bool under = false;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < TAPIO_FILTER_CGROUPS_MAX; i++)
		under |= bpf_current_task_under_cgroup(&tapio_cgroups, i) == 1;
	return under;
}

#ifndef TAPIO_ABI
/* What user space has found not to be wanted; what it does not know yet it will judge itself. */
static __always_inline bool cgroup_unwanted(const struct tapio_cgroup_key *cgroup)
{
	struct tapio_cgroup_key key;

	if (cgroup)
		key = *cgroup;
	else
		current_cgroups(&key);
	return bpf_map_lookup_elem(&tapio_verdicts, &key) != NULL;
}
#endif

/* A process of ours came here to show that the hook works. */
static __always_inline void count_beat(u32 type)
{
	u64 *beats = bpf_map_lookup_elem(&tapio_beats, &type);

	if (beats)
		__sync_fetch_and_add(beats, 1);
}

/*
 * Whether the user wants events of this type about the current task. Within one kind of filter
 * any value may match; all kinds that are set must. `cgroup`: of the process that it is about; NULL: the
 * current one's.
 */
static __always_inline bool event_wanted_of(u32 type, const struct tapio_cgroup_key *cgroup)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct tapio_config *cfg = settings();
	u32 filters;

	if (!cfg || (cfg->self_tgid && tgid == cfg->self_tgid))
		return false; /* tgid 0 is the idle task: what interrupts do */
	if (cfg->heartbeat_tgid && tgid == cfg->heartbeat_tgid) {
		count_beat(type);
		return false;
	}
	if (cfg->events && !(cfg->events >> type & 1))
		return false;
	filters = cfg->filters;
	if (!filters)
		return true;
	if ((filters & TAPIO_FILTER_PID) && !filter_has(TAPIO_FILTER_PID, tgid))
		return false;
	if ((filters & TAPIO_FILTER_UID) &&
	    !filter_has(TAPIO_FILTER_UID, (u32)bpf_get_current_uid_gid()))
		return false;
	if ((filters & TAPIO_FILTER_COMM) && !filter_has_comm())
		return false;
#ifdef TAPIO_ABI
	(void)cgroup; /* what is unwanted is told to `core` objects alone */
#else
	if ((filters & TAPIO_FILTER_VERDICT) && cgroup_unwanted(cgroup))
		return false;
#endif
	return !(filters & TAPIO_FILTER_CGROUP) || filter_has_cgroup();
}

static __always_inline bool event_wanted(u32 type)
{
	return event_wanted_of(type, NULL);
}

/* ---- records ---- */

static __always_inline struct tapio_slot *slot_claim(void)
{
	u32 first = bpf_get_smp_processor_id() * TAPIO_SLOTS;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < TAPIO_SLOTS; i++) {
		u32 key = first + i;
		struct tapio_slot *slot = bpf_map_lookup_elem(&tapio_slots, &key);

		if (!slot)
			return NULL;
		__sync_fetch_and_add(&slot->claims, 1);
		if (*(volatile u64 *)&slot->claims == 1) {
			slot->index = i;
			slot->cpu = first / TAPIO_SLOTS;
			return slot;
		}
		__sync_fetch_and_add(&slot->claims, -1);
	}
	return NULL;
}

static __always_inline struct tapio_slot *slot_of(void *rec)
{
	return rec - __builtin_offsetof(struct tapio_slot, data);
}

static __always_inline void slot_release(struct tapio_slot *slot)
{
	__sync_fetch_and_add(&slot->claims, -1);
}

static __always_inline void record_stamp(struct tapio_event *ev)
{
#ifdef TAPIO_ABI
	ev->ts_ns = bpf_ktime_get_ns();
	ev->flags = TAPIO_F_MONOTONIC;
#else
	bool monotonic;

	ev->ts_ns = core_now_ns(&monotonic);
	ev->flags = monotonic ? TAPIO_F_MONOTONIC : 0;
#endif
}

/*
 * A record whose subject the caller knows: tgid, tid, comm and cgroup are zero. For programs that run in
 * no process's name, as those on packets do, and may not ask for the current one. Whatever its cgroup has
 * sent already.
 */
static __always_inline void *record_begin_bare(u32 sensor, u32 type, u32 ring, u32 size)
{
	struct tapio_counters *c = counters_of(sensor);
	struct tapio_slot *slot;
	struct tapio_event *ev;

	if (!c)
		return NULL;
	slot = slot_claim();
	__sync_fetch_and_add(&c->made, 1);
	if (!slot) {
		__sync_fetch_and_add(&c->lost[TAPIO_CAUSE_NO_SLOT], 1);
		return NULL;
	}
	ev = (void *)slot->data;
	__builtin_memset(ev, 0, size);
	record_stamp(ev);
	ev->number = slot->made[ring]++ << 3 | (slot->index & 7);
	ev->cpu = slot->cpu;
	ev->type = type;
	ev->ring = ring;
	ev->sensor = sensor;
	return ev;
}

/* The same about the current task, in a cgroup that the caller knows, NULL: none. */
static __always_inline void *record_begin_free(u32 sensor, u32 type, u32 ring, u32 size,
					       const struct tapio_cgroup_key *cgroup)
{
	struct tapio_event *ev = record_begin_bare(sensor, type, ring, size);
	u64 pid_tgid;

	if (!ev)
		return NULL;
	pid_tgid = bpf_get_current_pid_tgid();
	ev->tgid = pid_tgid >> 32;
	ev->tid = pid_tgid;
	bpf_get_current_comm(ev->comm, sizeof(ev->comm));
	if (cgroup) {
		ev->cgroup_id = cgroup->id;
		ev->legacy_cgroup_id = cgroup->legacy_id;
	}
	return ev;
}

/*
 * A zeroed record of `size` fixed bytes (a constant), header filled in from the current task.
 * NULL: not to be had, or beyond what its cgroup may send, and counted. Every record that was begun
 * must be sent.
 * On `abi` the cgroup is the caller's to know: the helper is not on 4.14.
 */
#ifdef TAPIO_ABI
static __always_inline void *record_begin(u32 sensor, u32 type, u32 ring, u32 size, u64 cgroup_id)
{
	struct tapio_cgroup_key cgroup = {};
	struct tapio_config *cfg = settings();

	cgroup.id = cgroup_id;
	if (!cfg || !budget_allows(cfg, sensor, &cgroup))
		return NULL;
	return record_begin_free(sensor, type, ring, size, &cgroup);
}
#else
/* The same for a caller that knows the cgroup: of the current task, or else its budget is another's. */
static __always_inline void *record_begin_of(u32 sensor, u32 type, u32 ring, u32 size,
					     const struct tapio_cgroup_key *cgroup)
{
	return budget_allows(settings(), sensor, cgroup) ? record_begin_free(sensor, type, ring, size, cgroup) : NULL;
}

static __always_inline void *record_begin(u32 sensor, u32 type, u32 ring, u32 size)
{
	struct tapio_cgroup_key cgroup;

	current_cgroups(&cgroup);
	return record_begin_of(sensor, type, ring, size, &cgroup);
}
#endif

/*
 * A record of an event that user space may need to tell who others are: begun also if nobody asked
 * for it, or its cgroup may send no more; then it is marked, and counted as the cgroup sensor's, whose
 * work it is. NULL: neither wanted nor needed, or not to be had.
 */
static __always_inline void *record_begin_needed(u32 sensor, u32 type, u32 ring, u32 size,
						 const struct tapio_cgroup_key *cgroup)
{
	struct tapio_config *cfg = settings();
	bool needed = cfg && (cfg->internal >> type & 1), wanted = event_wanted_of(type, cgroup);
	struct tapio_event *ev;

	if (wanted && !budget_allows(cfg, sensor, cgroup))
		wanted = false;
	if (!wanted && !needed)
		return NULL;
	ev = record_begin_free(wanted ? sensor : TAPIO_SENSOR_CGROUP, type, ring, size, cgroup);
	if (ev && !wanted)
		ev->flags |= TAPIO_F_INTERNAL;
	return ev;
}

#ifndef TAPIO_ABI
/*
 * Wakes the reader only if it sleeps, or once when it falls behind. No watermark: as the kernel
 * does. The mark is taken before the record is sent, because the reader may run, and clear it,
 * before the helper returns. A record that found no room has woken nobody: it gives the mark back,
 * or no later one would ring.
 */
static __always_inline long ring_output(void *map, u32 ring, void *rec, u64 size)
{
	struct tapio_reader *reader = bpf_map_lookup_elem(&tapio_readers, &ring);
	bool asleep, urge;
	long err;

	if (!reader || !reader->watermark_bytes)
		return bpf_ringbuf_output(map, rec, size, 0);
	asleep = reader->asleep;
	urge = !asleep && !reader->urged &&
	       bpf_ringbuf_query(map, BPF_RB_AVAIL_DATA) > reader->watermark_bytes;
	if (asleep)
		reader->asleep = 0;
	if (urge)
		reader->urged = 1;
	err = bpf_ringbuf_output(map, rec, size,
				 asleep || urge ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	if (err && asleep)
		reader->asleep = 1;
	if (err && urge)
		reader->urged = 0;
	return err;
}
#endif

/* The perf buffer wakes at its watermark by itself; a sleeping reader has a bell beside it. */
static __always_inline long perf_output(void *ctx, void *map, u32 ring, void *rec, u64 size)
{
	long err = bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, rec, size);
	struct tapio_reader *reader = bpf_map_lookup_elem(&tapio_readers, &ring);

	if (reader && reader->asleep) {
		u64 ding = 1;

		reader->asleep = 0;
		/* A CPU that came online after start has no bell: leave the waking to the next record. */
		if (bpf_perf_event_output(ctx, &tapio_bell, BPF_F_CURRENT_CPU, &ding, sizeof(ding)))
			reader->asleep = 1;
	}
	return err;
}

/*
 * Sends `size` bytes of a record from record_begin, tail included, and gives its memory back.
 * `ring` is the one given to record_begin. Returns 0: a program's own return value.
 */
static __always_inline int record_send(void *ctx, void *rec, u32 ring, u64 size)
{
	void *map = ring == TAPIO_RING_CONTROL ? (void *)&tapio_control : (void *)&tapio_bulk;
	struct tapio_slot *slot = slot_of(rec);
	struct tapio_event *ev = rec;
	u32 sensor = ev->sensor;
	long err;

	size = BOUNDED(size, 0x7fff);
	if (size > TAPIO_RECORD_MAX)
		size = TAPIO_RECORD_MAX;
	if (size < sizeof(*ev))
		size = sizeof(*ev);
	ev->size = size;
#ifdef TAPIO_ABI
	err = perf_output(ctx, map, ring, rec, size);
#else
	if (CORE_HAS(CORE_RINGBUF))
		err = ring_output(map, ring, rec, size);
	else
		err = perf_output(ctx, map, ring, rec, size);
#endif
	slot_release(slot);
	if (err)
		count_loss(sensor, TAPIO_CAUSE_RING_FULL);
	return 0;
}

/* Takes a record back that was begun with record_begin_bare and is not worth sending: as if it had never been. */
static __always_inline void record_cancel(void *rec, u32 ring)
{
	struct tapio_event *ev = rec;
	struct tapio_counters *c = counters_of(ev->sensor);
	struct tapio_slot *slot = slot_of(rec);

	slot->made[ring]--;
	if (c)
		__sync_fetch_and_add(&c->made, -1);
	slot_release(slot);
}

#endif
