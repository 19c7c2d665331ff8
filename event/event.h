/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record format: what BPF programs write and user space reads.
 *
 * Compiled on both sides; includes nothing but fixed-width types. A record is a fixed header
 * (struct tapio_event), the fixed fields of its type, and a tail of variable strings that the
 * fields reference by {offset, length}, both in bytes and counted from the record's first byte.
 * Numbers of types, sensors and causes are append-only; 0 is invalid everywhere. Byte order and
 * alignment are the machine's: a record never leaves the node in this form.
 */
#ifndef TAPIO_EVENT_EVENT_H
#define TAPIO_EVENT_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#include <stdbool.h>
#endif

#define TAPIO_COMM_LEN 16

/* Largest record, header and tail included. One scratch slot holds one record. */
#define TAPIO_RECORD_MAX 32704u
#define TAPIO_ARGS_MAX 16384u /* bytes of command line that a record carries */
#define TAPIO_PATH_MAX 4096u  /* bytes of one path that a record carries */

enum tapio_event_type {
	TAPIO_EV_INVALID = 0,
	TAPIO_EV_LOST = 1,
	TAPIO_EV_PROCESS_EXEC = 2,
	TAPIO_EV_PROCESS_EXEC_FAILED = 3,
	TAPIO_EV_PROCESS_EXIT = 4,
	TAPIO_EV_PROCESS_FORK = 5,
	TAPIO_EV_CGROUP_CREATED = 6,
	TAPIO_EV_CGROUP_REMOVED = 7,
	TAPIO_EV_CGROUP_RENAMED = 8,
	TAPIO_EV_CGROUP_ENTERED = 9,
	TAPIO_EV_IDENTITY = 10,
	TAPIO_EV_STARTED = 11,
	TAPIO_EV_DNS_PACKET = 12, /* never published: what correlate/ makes the others of */
	TAPIO_EV_DNS_LOOKUP = 13,
	TAPIO_EV_DNS_TIMEOUT = 14,
	TAPIO_EV_DNS_QUERY = 15,
	TAPIO_EV_DNS_RESPONSE = 16,
	TAPIO_EV_DNS_ERROR = 17,
	TAPIO_EV_DNS_ENCRYPTED = 18,
	TAPIO_EV_MAX
};

enum tapio_sensor {
	TAPIO_SENSOR_INVALID = 0,
	TAPIO_SENSOR_PROCESS = 1,
	TAPIO_SENSOR_CGROUP = 2,
	TAPIO_SENSOR_DNS = 3,
	TAPIO_SENSOR_MAX
};

/* Two rings, so that a flood of frequent events never loses the rare ones. */
enum tapio_ring {
	TAPIO_RING_CONTROL = 0,
	TAPIO_RING_BULK = 1,
	TAPIO_RINGS
};

/* Why a record, or a part of one, did not reach the reader. */
enum tapio_cause {
	TAPIO_CAUSE_RING_FULL = 0,     /* the ring or perf buffer had no room */
	TAPIO_CAUSE_NO_SLOT = 1,       /* programs nested deeper than there are scratch slots */
	TAPIO_CAUSE_STATE_FULL = 2,    /* a map that remembers something between two hooks was full */
	TAPIO_CAUSE_RUN_SKIPPED = 3,   /* the kernel skipped a program to prevent recursion */
	TAPIO_CAUSE_PERF_FULL = 4,     /* perf buffer overflow that only the kernel counted (before 5.1) */
	TAPIO_CAUSE_UNREADABLE = 5,    /* memory that the hook names could not be read */
	TAPIO_CAUSE_MALFORMED = 6,     /* user space refused a record: offsets or lengths do not fit */
	TAPIO_CAUSE_UNKNOWN_TYPE = 7,  /* user space refused a record: a type it does not know */
	TAPIO_CAUSE_BUDGET = 8,        /* its cgroup had used up its events of this second */
	TAPIO_CAUSE_SINK_FULL = 9,     /* a sink's queue was full */
	TAPIO_CAUSE_SINK_FAILED = 10,  /* a sink could not write it */
	TAPIO_CAUSE_MAX
};

/* tapio_event.flags */
#define TAPIO_F_MONOTONIC 0x1 /* ts_ns is CLOCK_MONOTONIC: kernels before 5.8 lack the boot clock */
#define TAPIO_F_INTERNAL 0x2  /* nobody asked for it: user space needs it to tell who others are */

/* A byte string in the tail. length 0: unknown. */
struct tapio_str {
	__u16 offset;
	__u16 length;
};

/* NUL-separated byte strings in the tail; the last NUL may be missing. */
struct tapio_strv {
	__u16 offset;
	__u16 length;
};

/*
 * A path as the kernel's dentries give it: NUL-terminated names, last component first.
 * length 0: unknown. One empty name: the root directory itself.
 */
struct tapio_path {
	__u16 offset;
	__u16 length;
	__u16 flags; /* TAPIO_PATH_* */
	__u16 pad;
};

#define TAPIO_PATH_DELETED 0x1   /* the last component was unlinked */
#define TAPIO_PATH_TRUNCATED 0x2 /* deeper or longer than a record carries: the start is missing */

/* An instant: nanoseconds of CLOCK_BOOTTIME, or 0: unknown. */
struct tapio_instant {
	__u64 ns;
};

/* An errno, positive. */
struct tapio_errno {
	__s32 value;
};

/* A signal number, 0: none. */
struct tapio_signal {
	__u32 value;
};

/* A set of capabilities: bit N is capability N. */
struct tapio_caps {
	__u64 bits;
};

/* An IP address. family 0: unknown. */
struct tapio_address {
	__u8 octets[16]; /* of IPv4 the first four */
	__u8 family;     /* 4 or 6 */
	__u8 pad[3];
};

/* Printed by name: enum tapio_sensor, enum tapio_cause. */
struct tapio_sensor_id {
	__u32 value;
};

struct tapio_cause_id {
	__u32 value;
};

struct tapio_event {
	__u64 ts_ns;     /* when the hook ran; see TAPIO_F_MONOTONIC */
	__u64 number;    /* unique per cpu and ring; dense per (cpu, ring, slot): see emit.h */
	__u64 cgroup_id; /* cgroup v2 id, 0: unknown */
	__u64 legacy_cgroup_id; /* id in the cgroup v1 hierarchy of tapio_config.legacy_hierarchy, 0: none */
	__u32 tgid;      /* the process that the event is about, in the initial pid namespace */
	__u32 tid;       /* its thread */
	__u32 size;      /* bytes of the whole record */
	__u16 type;      /* enum tapio_event_type */
	__u16 flags;     /* TAPIO_F_* */
	__u16 cpu;
	__u8 ring;
	__u8 sensor;
	__u32 pad;
	char comm[TAPIO_COMM_LEN]; /* NUL-padded */
};

/* A program was started: execve(2) succeeded. */
struct tapio_process_exec {
	struct tapio_event ev;
	struct tapio_instant start;
	struct tapio_instant parent_start;
	struct tapio_caps cap_effective; /* all ones: the same as the parent's */
	struct tapio_caps cap_permitted;
	__u32 parent_pid;
	__u32 vpid;
	__u32 uid;
	__u32 euid;
	__u32 gid;
	__u32 egid;
	__u32 pid_ns;
	__u32 mnt_ns;
	__u32 net_ns;
	__u32 user_ns;
	__u32 cgroup_ns;
	__u32 args_count;
	__u32 args_size; /* true size in bytes, NULs included */
	bool args_truncated;
	__u8 pad[3];
	struct tapio_path exe;
	struct tapio_path cwd;
	struct tapio_str filename;
	struct tapio_strv args;
};

/* execve(2) or execveat(2) failed. */
struct tapio_process_exec_failed {
	struct tapio_event ev;
	__u32 parent_pid;
	struct tapio_errno error;
	struct tapio_str filename;
	__u32 pad;
};

/* The last thread of a process has ended. */
struct tapio_process_exit {
	struct tapio_event ev;
	struct tapio_instant start;
	__u64 ran_ns;
	__u64 user_ns;
	__u64 system_ns;
	__u64 peak_rss_bytes;
	__u32 parent_pid;
	__u32 vpid;
	__s32 code; /* -1: ended by a signal */
	struct tapio_signal signal;
	bool core_dumped;
	__u8 pad[7];
};

/* A process was created (threads are not reported). The subject is the child. */
struct tapio_process_fork {
	struct tapio_event ev;
	struct tapio_instant start;
	__u32 parent_pid;
	__u32 vpid;
};

/* Cgroups. `hierarchy` is 0 for v2, else the number of /proc/cgroups. The subject made the change. */
struct tapio_cgroup_created {
	struct tapio_event ev;
	__u64 id; /* 0: this kernel does not tell (tracepoints before 5.5) */
	__u32 hierarchy;
	struct tapio_str path;
};

/* rmdir(2) succeeded: nobody is in it. */
struct tapio_cgroup_removed {
	struct tapio_event ev;
	__u64 id;
	__u32 hierarchy;
	struct tapio_str path;
};

/* cgroup v1 only. The path is the new one. */
struct tapio_cgroup_renamed {
	struct tapio_event ev;
	__u64 id;
	__u32 hierarchy;
	struct tapio_str path;
};

/* A process, or one thread of it, was moved into a cgroup. The subject moved it. */
struct tapio_cgroup_entered {
	struct tapio_event ev;
	__u64 id;
	__u32 hierarchy;
	struct tapio_str path;
	__u32 pid; /* the thread that was moved, in the initial pid namespace */
	__u32 pad;
};

/* tapio_dns_packet.flags */
#define TAPIO_DNS_EGRESS 0x1 /* the socket's process sent it; else it was given to the socket */
#define TAPIO_DNS_SYN 0x2
#define TAPIO_DNS_END 0x4    /* FIN or RST */
#define TAPIO_DNS_TLS 0x8    /* a connection to the port of DNS over TLS was begun: RFC 7858 */
#define TAPIO_DNS_CALL 0x10  /* seen at a system call: addresses are those that the program gave */

#define TAPIO_DNS_UDP_MAX 4096u  /* octets of a UDP message that a record carries */
#define TAPIO_DNS_TCP_MAX 16384u /* octets of a TCP segment that one record carries */

/* A packet, or a part of one, that carries DNS messages. The subject is the socket's process. */
struct tapio_dns_packet {
	struct tapio_event ev;
	__u64 cookie;   /* of the socket */
	__u64 netns;    /* cookie of its network namespace, 0: unknown */
	__u32 uid;      /* ~0: unknown */
	__u32 sequence; /* of TCP: of the first octet; of the SYN if it has one */
	__u32 missing;  /* octets behind those of the record that were in the packet */
	struct tapio_address source, destination; /* as in the packet */
	struct tapio_address asked; /* where the socket was told to send to: before any DNAT */
	__u16 source_port;
	__u16 destination_port;
	__u16 asked_port;
	__u8 protocol; /* IPPROTO_UDP, IPPROTO_TCP */
	__u8 flags;    /* TAPIO_DNS_* */
	struct tapio_str payload;
	__u32 pad;
};

/* What is told of one DNS message. Made by user space. */
struct tapio_dns_message {
	struct tapio_event ev;
	__u32 uid;  /* ~0: unknown */
	__u32 size; /* octets */
	struct tapio_address server, client;
	struct tapio_address server_nat; /* where DNAT sent it to, if it did */
	__u16 server_port;
	__u16 client_port;
	__u16 server_nat_port;
	__u16 id;
	__u16 answer_count; /* as counted in the header */
	__u16 payload_size; /* EDNS: octets of UDP that the sender takes; 0: no EDNS */
	bool truncated;
	bool dnssec_ok;
	bool records_cut;
	__u8 pad;
	struct tapio_str transport;
	struct tapio_str role;
	struct tapio_str name;
	struct tapio_str qtype;
	struct tapio_str qclass;
	struct tapio_str opcode;
	struct tapio_str rcode;
	struct tapio_str header;
	struct tapio_str client_subnet;
	struct tapio_str extended_error;
	struct tapio_strv answers;
	struct tapio_strv records;
	__u32 pad_end;
};

/* A question and what came of it: an answer, or none in time. The message is the last one. */
struct tapio_dns_lookup {
	struct tapio_dns_message m;
	__u64 id;
	__u64 previous_id; /* 0: none */
	__u64 parent_id;   /* 0: none */
	__u64 took_ns;
	__u32 server_pid;  /* 0: not on this machine, or unknown */
	__u32 query_size;
	__u32 wasted;
	__u16 attempts;
	bool failover;
	bool twin_answered;
	bool doubtful;
	__u8 pad[3];
	struct tapio_str failure;
	struct tapio_strv servers;
	struct tapio_str server_comm;
};

/* A message that is not as it should be. */
struct tapio_dns_error {
	struct tapio_dns_message m;
	struct tapio_str reason;
	__u32 offset; /* of what is wrong in the message */
	__u64 late_ns; /* after it was given up */
};

/* A connection whose questions cannot be read. */
struct tapio_dns_encrypted {
	struct tapio_event ev;
	__u32 uid;
	__u16 server_port;
	__u16 client_port;
	struct tapio_address server, client;
	struct tapio_str protocol;
	__u32 pad;
};

/* Made by user space: it is now known who earlier events of a cgroup were about. */
struct tapio_identity {
	struct tapio_event ev;
	__u64 cgroup_id; /* as in the earlier events */
	__u64 legacy_cgroup_id;
};

/* Made by user space: the agent has begun to watch. Nothing before it was seen by this agent. */
struct tapio_started {
	struct tapio_event ev;
	struct tapio_str version;
	struct tapio_str boot_id;
};

/* Something was lost or refused; made by user space from the counters below. */
struct tapio_lost {
	struct tapio_event ev;
	__u64 cgroup_id; /* whose it was, 0: unknown or of many */
	__u64 legacy_cgroup_id;
	__u64 count;
	__u64 interval_ns;
	struct tapio_sensor_id sensor;
	struct tapio_cause_id cause;
};

/* ---- maps that both sides know ---- */

/* What the kernel side counted, per CPU and sensor. */
struct tapio_counters {
	__u64 made;                     /* records begun, sent or not */
	__u64 lost[TAPIO_CAUSE_MAX];    /* by cause */
};

#define TAPIO_SLOTS 4 /* scratch slots per CPU */

/*
 * Scratch memory of one record while it is built. A run owns a slot if it was the one that
 * raised `claims` from 0 to 1; see emit.h. made[] counts the numbers given, per ring.
 */
struct tapio_slot {
	__u64 claims;
	__u64 made[TAPIO_RINGS];
	__u32 index; /* which of the CPU's slots */
	__u32 cpu;
	__u64 pad[3];
	__u8 data[TAPIO_RECORD_MAX];
	__u8 end[8]; /* makes the slot a multiple of 64 bytes */
};

/* The reader's state, one entry per ring: tells producers whether a wake-up is needed. */
struct tapio_reader {
	__u32 asleep; /* the next record must wake the reader */
	__u32 urged;  /* a watermark wake-up is on its way */
	__u64 watermark_bytes;
};

/* Kernel features that core objects ask for; the loader can rule them out (core_compat.h). */
#define CORE_RINGBUF 0x1      /* BPF ring buffer: 5.8, 457f44363a88 */
#define CORE_BOOT_CLOCK 0x2   /* bpf_ktime_get_boot_ns: 5.8, 71d19214776e */
#define CORE_GROUP_DEAD 0x4   /* sched_process_exit tells the last thread: 6.16 */
#define CORE_TASK_PT_REGS 0x8 /* bpf_task_pt_regs: 5.15, dd6e10fbd9fb */
#define CORE_TASK_BTF 0x10    /* bpf_get_current_task_btf: 5.11, 3ca1032ab7ab */

/* Which kernel-side filters are on. */
#define TAPIO_FILTER_PID 0x1
#define TAPIO_FILTER_COMM 0x2
#define TAPIO_FILTER_UID 0x4
#define TAPIO_FILTER_CGROUP 0x8
#define TAPIO_FILTER_VERDICT 0x10 /* cgroups that user space has found not to be wanted */

#define TAPIO_FILTER_CGROUPS_MAX 8 /* cgroups that --cgroup can name */
#define TAPIO_FILTER_VALUES_MAX 256 /* other filter values, all kinds together */
#define TAPIO_FILTER_KEYS_MAX (TAPIO_FILTER_VALUES_MAX + TAPIO_FILTER_CGROUPS_MAX)

struct tapio_filter_key {
	__u32 kind; /* one TAPIO_FILTER_* bit */
	__u32 pad;
	char value[TAPIO_COMM_LEN]; /* a comm, a number in the first 4 bytes, or a cgroup id in 8 */
};

/* Subsystems by whose v1 hierarchy processes can be told apart: every runtime puts containers there. */
#define TAPIO_SUBSYSTEM_PIDS 1
#define TAPIO_SUBSYSTEM_MEMORY 2
#define TAPIO_SUBSYSTEM_CPU 3
#define TAPIO_SUBSYSTEM_DEVICES 4

/* A process's place in the cgroup trees. */
struct tapio_cgroup_key {
	__u64 id;
	__u64 legacy_id;
};

#define TAPIO_VERDICTS_MAX 16384 /* cgroups that were found not to be wanted */

/* What one cgroup may send through one sensor: see tapio_config.events_per_second. */
struct tapio_budget_key {
	struct tapio_cgroup_key cgroup;
	__u32 sensor;
	__u32 pad;
};

struct tapio_budget {
	__u64 second;  /* of the monotonic clock */
	__u64 used;    /* in that second */
	__u64 refused; /* since the entry was made */
};

#define TAPIO_BUDGETS_MAX 4096 /* the cgroups that were active last */

struct tapio_config {
	__u32 self_tgid; /* 0: report ourselves too */
	__u32 filters;   /* TAPIO_FILTER_* */
	__u64 events;    /* bit of each event type that is wanted; 0: all */
	__u64 internal;  /* bit of each event type that user space needs for itself */
	__u32 page_size; /* bytes */
	__u32 events_per_second; /* of one cgroup and sensor; 0: no limit */
	__u32 heartbeat_tgid;    /* a process of ours whose events are counted instead of sent; 0: none */
	__u32 legacy_hierarchy;  /* number of the v1 hierarchy that legacy_cgroup_id is of; 0: none */
};

/* As tapio_process_layout, for bpf/cgroup_abi.bpf.c. Paths are __data_loc. */
struct tapio_cgroup_layout {
	__u16 mkdir_root;
	__u16 mkdir_id;
	__u16 mkdir_path;
	__u16 rmdir_root;
	__u16 rmdir_id;
	__u16 rmdir_path;
	__u16 rename_root;
	__u16 rename_id;
	__u16 rename_path;
	__u16 attach_root;
	__u16 attach_id;
	__u16 attach_pid;
	__u16 attach_path;
	__u16 pad[3];
};

#define TAPIO_THREADED_MAX 16384 /* multi-threaded processes that are followed where it takes counting */

/* Threads of a process: base + change are alive. The kernel side only writes `change`. */
struct tapio_process_threads {
	__s64 base;
	__s64 change;
};

/*
 * Where tracepoint fields lie, in bytes from the start of the tracepoint's record. Read from
 * tracefs at load, because it differs between kernels; 0: this kernel has no such field. One
 * structure per abi object, in that object's map `tapio_layout`.
 */
struct tapio_process_layout {
	__u16 exec_filename; /* sched_process_exec, __data_loc */
	__u16 exec_old_pid;
	__u16 exit_group_dead; /* sched_process_exit, from 6.16 */
	__u16 newtask_pid;
	__u16 newtask_flags;
	__u16 execve_filename; /* sys_enter_execve */
	__u16 execve_argv;
	__u16 execveat_filename; /* sys_enter_execveat */
	__u16 execveat_argv;
	__u16 execve_ret;   /* sys_exit_execve */
	__u16 execveat_ret; /* sys_exit_execveat */
	__u16 pad;
};

#endif
