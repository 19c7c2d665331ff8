/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel's types say of hooks, helpers and maps. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "collect/forecast.h"

#define HELPER_NAME(name) #name
static const char *const helpers[] = { __BPF_FUNC_MAPPER(HELPER_NAME) };

void foretell(struct tier_forecast *ret, enum foretold foretold, const char *fmt, ...)
{
	va_list ap;

	if (foretold <= ret->foretold)
		return;
	ret->foretold = foretold;
	va_start(ap, fmt);
	vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
}

/* Whether an enum of the kernel lists a number. One that it does not describe lists all. */
static bool lists(const struct types *t, const char *name, uint64_t value)
{
	uint32_t id = types_find(t, name, BTF_KIND_ENUM);
	const struct btf_type *e = types_at(t, id);

	for (unsigned i = 0; id && i < btf_vlen(e); i++)
		if (enum_value(e, i) == value)
			return true;
	return !id;
}

/* ---- hooks ---- */

/*
 * From 5.5 every tracepoint of the kernel itself has a type of its own; those that only a module has are not
 * among them, and no sensor uses one.
 */
static bool shows_tracepoints(const struct types *t)
{
	return types_find(t, "btf_trace_sched_process_exit", BTF_KIND_TYPEDEF) ||
	       types_find(t, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
}

static bool shows_tracepoint(const struct types *t, const char *name)
{
	char type[128];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return types_find(t, type, BTF_KIND_TYPEDEF);
}

static void foretell_tracepoint(const struct types *t, const char *name, bool typed, struct tier_forecast *ret)
{
	if (shows_tracepoint(t, name))
		return;
	if (shows_tracepoints(t) || typed)
		foretell(ret, FORETOLD_FAILS, "tracepoint %s: this kernel's BTF does not describe it", name);
	else
		foretell(ret, FORETOLD_OPEN, "tracepoint %s: BTF before 5.5 does not list tracepoints", name);
}

static void foretell_classic(const struct types *t, const char *name, struct tier_forecast *ret)
{
	const char *slash = strchr(name, '/');

	if (strncmp(name, "syscalls/", 9))
		foretell_tracepoint(t, slash ? slash + 1 : name, false, ret);
	else if (!types_find(t, "syscall_trace_enter", BTF_KIND_STRUCT)) /* kernel/trace/trace_syscalls.c */
		foretell(ret, FORETOLD_FAILS, "tracepoint %s: this kernel has no tracepoints of system calls", name);
}

static void foretell_function(const struct types *t, const char *prefix, const char *name, struct tier_forecast *ret)
{
	char function[160];

	snprintf(function, sizeof(function), "%s%s", prefix, name);
	if (!types_find(t, function, BTF_KIND_FUNC))
		foretell(ret, FORETOLD_FAILS, "function %s: this kernel's BTF does not describe it", function);
}

/* The rest of a section's name behind its type, NULL if it is of another. */
static const char *hook_of(const char *section, const char *type)
{
	size_t n = strlen(type);

	return !strncmp(section, type, n) && section[n] == '/' ? section + n + 1 : NULL;
}

static void foretell_hook(const struct types *t, const char *section, struct tier_forecast *ret)
{
	const char *name;

	if ((name = hook_of(section, "tp_btf")))
		foretell_tracepoint(t, name, true, ret);
	else if ((name = hook_of(section, "raw_tp")))
		foretell_tracepoint(t, name, false, ret);
	else if ((name = hook_of(section, "tp")))
		foretell_classic(t, name, ret);
	else if ((name = hook_of(section, "fentry")) || (name = hook_of(section, "fexit")))
		foretell_function(t, "", name, ret);
	else if ((name = hook_of(section, "lsm")))
		foretell_function(t, "bpf_lsm_", name, ret);
	else if ((name = hook_of(section, "iter")))
		foretell_function(t, "bpf_iter_", name, ret);
	else if ((name = hook_of(section, "kprobe")) || (name = hook_of(section, "kretprobe")))
		foretell(ret, FORETOLD_OPEN, "kprobe on %s: whether it can be probed is known at run time", name);
}

static void foretell_type(const struct types *t, const char *section, struct tier_forecast *ret)
{
	enum bpf_attach_type attach = 0;
	enum bpf_prog_type type = 0;

	if (libbpf_prog_type_by_name(section, &type, &attach))
		return;
	if (!lists(t, "bpf_prog_type", type))
		foretell(ret, FORETOLD_FAILS, "%s: this kernel has no programs of that type (%s)", section,
			 libbpf_bpf_prog_type_str(type));
	else if (!lists(t, "bpf_attach_type", attach))
		foretell(ret, FORETOLD_FAILS, "%s: this kernel has no hooks of that type (%s)", section,
			 libbpf_bpf_attach_type_str(attach));
}

/* ---- helpers and maps ---- */

/* libbpf writes the older helpers in where a kernel has not these. */
static bool is_replaceable(int helper)
{
	return helper >= BPF_FUNC_probe_read_user && helper <= BPF_FUNC_probe_read_kernel_str;
}

static void foretell_helpers(const struct types *t, const struct program *p, const struct bpf_insn *insns,
			     const bool *reached, struct tier_forecast *ret)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct bpf_insn *insn = &insns[i];

		if (!reached[i] || insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg ||
		    insn->imm == POISON_HELPER || is_replaceable(insn->imm) || lists(t, "bpf_func_id", (uint32_t)insn->imm))
			continue;
		foretell(ret, FORETOLD_FAILS, "program %s calls helper bpf_%s, which this kernel has not", p->name,
			 insn->imm >= 0 && (size_t)insn->imm < sizeof(helpers) / sizeof(*helpers) ? helpers[insn->imm] : "?");
		return;
	}
}

void foretell_program(const struct types *t, const struct program *p, const struct bpf_insn *insns, const bool *reached,
		      struct tier_forecast *ret)
{
	if (!strcmp(p->section, ".text")) {
		foretell_helpers(t, p, insns, reached, ret);
		return;
	}
	foretell_type(t, p->section, ret);
	foretell_hook(t, p->section, ret);
	foretell_helpers(t, p, insns, reached, ret);
}

void foretell_maps(const struct types *t, const struct image *image, struct tier_forecast *ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = image->name);
	struct bpf_object *obj = bpf_object__open_mem(image->data, image->size, &opts);
	struct bpf_map *map;

	if (!obj)
		return;
	bpf_object__for_each_map(map, obj) {
		enum bpf_map_type type = bpf_map__type(map);

		/* Where there are no ring buffers, these become perf buffers. */
		if (type != BPF_MAP_TYPE_RINGBUF && !lists(t, "bpf_map_type", type))
			foretell(ret, FORETOLD_FAILS, "map %s: this kernel has none of that type (%s)",
				 bpf_map__name(map), libbpf_bpf_map_type_str(type));
	}
	bpf_object__close(obj);
}

/* The type of a structure's member, 0 if it has none of that name. */
static uint32_t member_type(const struct types *t, const char *structure, const char *member)
{
	uint32_t id = types_find(t, structure, BTF_KIND_STRUCT);
	const struct btf_type *s = types_at(t, id);

	for (unsigned i = 0; id && i < btf_vlen(s); i++)
		if (!strcmp(types_name(t, btf_members(s)[i].name_off), member))
			return btf_members(s)[i].type;
	return 0;
}

/*
 * On PREEMPT_RT a spinlock_t sleeps: its lock is a mutex. The ring buffer had one until 8b62645b09f8 (6.12, and
 * where that was taken over), since then raw_spinlock_t or rqspinlock_t.
 */
void foretell_ringbuf(const struct types *t, struct tier_forecast *ret)
{
	uint32_t lock = member_type(t, "bpf_ringbuf", "spinlock");

	if (!types_find(t, "bpf_func_id", BTF_KIND_ENUM) || !lists(t, "bpf_func_id", BPF_FUNC_ringbuf_output))
		foretell(ret, FORETOLD_FAILS, "this kernel's BTF does not list bpf_ringbuf_output");
	else if (member_type(t, "spinlock", "lock") && !strcmp(type_name(t, lock), "spinlock_t"))
		foretell(ret, FORETOLD_FAILS,
			 "PREEMPT_RT without 8b62645b09f8 (6.12): the ring buffer may sleep in atomic context");
}
