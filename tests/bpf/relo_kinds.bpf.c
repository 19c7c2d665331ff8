/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the test that compares collect/relocate.c with libbpf: relocations of every kind, of things that are
 * there, that are not, and that were something else once. Never attached.
 */
#include "vmlinux_minimal.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

volatile u64 sink;

/* What the kernel has otherwise, or not at all. */
struct task_struct___bits {
	unsigned int in_execve : 1;
	unsigned int sched_migrated : 1;
	unsigned int no_such_bit : 3;
	int exit_signal;
	u64 se;               /* a structure there */
	u32 start_time;       /* 64 bits there */
	s64 pid;              /* 32 bits and signed there */
	void *comm;           /* an array there */
	struct nobody *mm;    /* another pointer there */
	struct {
		struct list_head *no_such_list;
	};
} __attribute__((preserve_access_index));

struct page___nested {
	unsigned long flags;
	union {
		struct {
			unsigned long private;
			struct no_such_list *lru;
		};
	};
} __attribute__((preserve_access_index));

struct sk_buff___deep {
	struct sk_buff *next;
	unsigned int len;
	unsigned char cloned : 1;
	unsigned char pkt_type : 3;
	u16 transport_header;
} __attribute__((preserve_access_index));

struct no_such_struct {
	int member;
} __attribute__((preserve_access_index));

struct list_head___same {
	struct list_head___same *next, *prev;
};

struct hlist_node___short {
	struct hlist_node___short *next;
};

struct file___one {
	u32 f_flags;
};

enum pid_type___some {
	PIDTYPE_PID___some = 42,
	PIDTYPE_MAX___some = 43,
	PIDTYPE_NO_SUCH = 44,
};

enum bpf_prog_type___some {
	BPF_PROG_TYPE_KPROBE___some = 2,
};

struct notifier_block;
typedef unsigned int gfp_t;
typedef void (*no_such_callback)(int);
typedef int (*notifier_fn_t)(struct notifier_block *nb, unsigned long action, void *data);
union no_such_union {
	int x;
};

#define TASK(ctx) ((struct task_struct___bits *)(ctx)[0])

SEC("raw_tp/sched_process_exit")
int kinds_fields(u64 *ctx)
{
	struct task_struct___bits *t = TASK(ctx);
	struct task_struct *task = (void *)t;

	sink += bpf_core_field_offset(struct task_struct, comm[3]);
	sink += bpf_core_field_size(task->comm);
	sink += bpf_core_field_size(t->exit_signal);
	sink += bpf_core_field_exists(t->exit_signal);
	sink += bpf_core_field_exists(t->se);
	sink += bpf_core_field_exists(t->start_time);
	sink += bpf_core_field_exists(t->pid);
	sink += bpf_core_field_exists(t->comm);
	sink += bpf_core_field_exists(t->mm);
	sink += bpf_core_field_exists(t->no_such_list);
	sink += bpf_core_field_offset(struct page___nested, private);
	sink += bpf_core_field_exists(struct page___nested, lru);
	sink += bpf_core_field_exists(struct no_such_struct, member);
	sink += bpf_core_field_offset(struct pid, numbers[0].ns);
	sink += bpf_core_field_size(struct signal_struct, maxrss);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int kinds_bits(u64 *ctx)
{
	struct task_struct___bits *t = TASK(ctx);
	struct sk_buff___deep *skb = (void *)t;

	sink += bpf_core_field_exists(t->in_execve);
	sink += bpf_core_field_exists(t->no_such_bit);
	sink += BPF_CORE_READ_BITFIELD_PROBED(t, sched_migrated);
	sink += BPF_CORE_READ_BITFIELD_PROBED(skb, cloned);
	sink += BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	sink += BPF_CORE_READ_BITFIELD_PROBED(skb, len);
	sink += __CORE_RELO(t, exit_signal, SIGNED);
	sink += __CORE_RELO(skb, transport_header, SIGNED);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int kinds_types(void *ctx __attribute__((unused)))
{
	sink += bpf_core_type_exists(struct task_struct);
	sink += bpf_core_type_exists(struct no_such_struct);
	sink += bpf_core_type_exists(gfp_t);
	sink += bpf_core_type_exists(no_such_callback);
	sink += bpf_core_type_exists(notifier_fn_t);
	sink += bpf_core_type_exists(union no_such_union);
	sink += bpf_core_type_size(struct task_struct);
	sink += bpf_core_type_size(struct no_such_struct);
	sink += bpf_core_type_size(gfp_t);
	sink += bpf_core_type_id_local(struct task_struct___bits);
	sink += bpf_core_type_id_kernel(struct task_struct);
	sink += bpf_core_type_id_kernel(struct no_such_struct);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int kinds_matches(void *ctx __attribute__((unused)))
{
	sink += bpf_core_type_matches(struct list_head___same);
	sink += bpf_core_type_matches(struct hlist_node___short);
	sink += bpf_core_type_matches(struct file___one);
	sink += bpf_core_type_matches(struct task_struct___bits);
	sink += bpf_core_type_matches(struct no_such_struct);
	sink += bpf_core_type_matches(enum pid_type___some);
	sink += bpf_core_type_matches(enum bpf_prog_type___some);
	sink += bpf_core_type_matches(notifier_fn_t);
	sink += bpf_core_type_matches(gfp_t);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int kinds_enums(void *ctx __attribute__((unused)))
{
	sink += bpf_core_enum_value_exists(enum pid_type___some, PIDTYPE_MAX___some);
	sink += bpf_core_enum_value(enum pid_type___some, PIDTYPE_MAX___some);
	sink += bpf_core_enum_value_exists(enum pid_type___some, PIDTYPE_NO_SUCH);
	sink += bpf_core_enum_value(enum bpf_prog_type___some, BPF_PROG_TYPE_KPROBE___some);
	return 0;
}

/* What is not there, without asking: this cannot be loaded. */
SEC("raw_tp/sched_process_exit")
int kinds_unguarded(u64 *ctx)
{
	struct no_such_struct *s = (void *)ctx[0];

	sink += BPF_CORE_READ(s, member);
	return 0;
}

/* The same, asked for in the ways that compilers make of it. */
SEC("raw_tp/sched_process_exit")
int kinds_guarded(u64 *ctx)
{
	struct no_such_struct *s = (void *)ctx[0];
	struct task_struct___bits *t = TASK(ctx);
	u64 found = 0;

	if (bpf_core_field_exists(s->member))
		found = BPF_CORE_READ(s, member);
	if (bpf_core_field_exists(t->no_such_bit) && ctx[1] > 3)
		found += BPF_CORE_READ_BITFIELD_PROBED(t, no_such_bit);
	if (bpf_core_type_exists(struct no_such_struct) || !bpf_core_field_exists(t->exit_signal))
		found += bpf_core_field_offset(struct no_such_struct, member);
	else if (bpf_core_type_size(struct no_such_struct) > 4)
		found += BPF_CORE_READ(s, member);
	if (bpf_core_enum_value_exists(enum pid_type___some, PIDTYPE_NO_SUCH))
		found += bpf_core_enum_value(enum pid_type___some, PIDTYPE_NO_SUCH);
	sink += found;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
