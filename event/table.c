/* SPDX-License-Identifier: Apache-2.0 */
#include "event/table.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "event/identity.h"

const struct event_field event_common[] = {
	FIELD(tapio_event, tgid, "process.pid", "process id, in the initial pid namespace"),
	FIELD(tapio_event, tid, "process.tid", "thread id, in the initial pid namespace"),
	FIELD(tapio_event, comm, "process.executable.name",
	      "name of the thread, as in /proc/PID/comm (15 bytes at most)", .flags = OMIT_ZERO),
	FIELD(tapio_event, cgroup_id, "cgroup.id",
	      "id of the process's cgroup in the cgroup v2 hierarchy", .flags = OMIT_ZERO),
	FIELD(tapio_event, legacy_cgroup_id, "cgroup.legacy_id",
	      "id of its cgroup in a cgroup v1 hierarchy, on machines that have those", .flags = OMIT_ZERO),
};
const unsigned event_ncommon = COUNT_OF(event_common);

#define WHO(m, public_name, help_text)                                                             \
	{                                                                                          \
		.offset = offsetof(struct event_identity, m),                                      \
		.size = sizeof(FIELD_MEMBER(event_identity, m)), .kind = KIND_WHO,                 \
		.flags = OMIT_ZERO, .name = public_name, .help = help_text                         \
	}

const struct event_field event_identity_fields[] = {
	WHO(cgroup_path, "process.linux.cgroup",
	    "path of the process's cgroup, below the root of its hierarchy"),
	WHO(container_id, "container.id", "id of the container that the process runs in"),
	WHO(container_runtime, "container.runtime.name", "containerd, cri-o, docker or podman"),
	WHO(container_name, "container.name", "name of the container as its runtime has it"),
	WHO(container_image, "container.image.name", "image that the container was made from"),
	WHO(pod_uid, "k8s.pod.uid", "uid of the pod"),
	WHO(pod_name, "k8s.pod.name", "name of the pod"),
	WHO(pod_namespace, "k8s.namespace.name", "namespace of the pod"),
	WHO(pod_container, "k8s.container.name", "name of the container in the pod's specification"),
	WHO(unit, "systemd.unit", "unit of the machine's systemd; of a container only if it has a systemd of its own"),
	WHO(slice, "systemd.slice", "slice of that unit or container"),
	WHO(user_unit, "systemd.user_unit", "unit of a user's systemd"),
	WHO(user_slice, "systemd.user_slice", "slice of the user's unit, within user@UID.service"),
	{ .offset = offsetof(struct event_identity, reason), .size = sizeof(uint32_t), .kind = KIND_REASON,
	  .flags = OMIT_ZERO, .name = "tapio.identity.unknown",
	  .help = "why some of this is unknown that should not be" },
};
const unsigned event_nidentity = COUNT_OF(event_identity_fields);

static const struct event_field lost[] = {
	FIELD(tapio_lost, sensor, "tapio.lost.sensor",
	      "whose records or runs were lost; left out where a sink lost events of all", .flags = OMIT_ZERO,
	      .label = "sensor"),
	FIELD(tapio_lost, cgroup_id, "cgroup.id", "whose it was; left out where it was many's or nobody knows",
	      .flags = OMIT_ZERO),
	FIELD(tapio_lost, legacy_cgroup_id, "cgroup.legacy_id", "the same in a cgroup v1 hierarchy",
	      .flags = OMIT_ZERO),
	FIELD(tapio_lost, cause, "tapio.lost.cause", "why", .label = "cause"),
	FIELD(tapio_lost, count, "tapio.lost.count", "how many in the interval",
	      .flags = FAILURE, .label = "count"),
	FIELD(tapio_lost, interval_ns, "tapio.lost.interval", "length of the interval that ends at `time`",
	      .unit = "ns", .label = "interval"),
};

static const struct event_field process_exec[] = {
	FIELD(tapio_process_exec, parent_pid, "process.parent_pid", "process id of the parent",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, exe, "process.executable.path",
	      "the program that runs now, as in /proc/PID/exe, seen from the process's root; of a script, the interpreter",
	      .label = ""),
	FIELD(tapio_process_exec, args, "process.command_args", "the arguments, argv[0] included",
	      .label = ""),
	FIELD(tapio_process_exec, args_count, "process.args_count", "how many arguments there are"),
	FIELD(tapio_process_exec, args_size, "process.args.size",
	      "true size of the arguments, a NUL after each included", .unit = "By"),
	FIELD(tapio_process_exec, args_truncated, "process.args.truncated",
	      "true if process.command_args holds less than was given", .flags = OMIT_FALSE,
	      .label = "truncated"),
	FIELD(tapio_process_exec, filename, "process.exec.filename",
	      "the path given to execve(2): of a script, the script; not resolved"),
	FIELD(tapio_process_exec, cwd, "process.working_directory",
	      "the working directory, seen from the process's root", .label = "cwd"),
	FIELD(tapio_process_exec, start, "process.creation.time", "when the process was created",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, parent_start, "process.parent.creation.time",
	      "when the parent was created: with its pid, an identity that is not reused",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, vpid, "process.vpid", "process id in the process's own pid namespace",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, euid, "process.user.id", "effective user id"),
	FIELD(tapio_process_exec, uid, "process.real_user.id", "real user id", .label = "uid"),
	FIELD(tapio_process_exec, egid, "process.group.id", "effective group id"),
	FIELD(tapio_process_exec, gid, "process.real_group.id", "real group id"),
	FIELD(tapio_process_exec, cap_effective, "process.linux.capabilities.effective",
	      "effective capabilities, given when they differ from the parent's", .flags = OMIT_ONES),
	FIELD(tapio_process_exec, cap_permitted, "process.linux.capabilities.permitted",
	      "permitted capabilities, given when they differ from the parent's", .flags = OMIT_ONES),
	FIELD(tapio_process_exec, pid_ns, "process.linux.namespace.pid", "inode number of the pid namespace",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, mnt_ns, "process.linux.namespace.mnt",
	      "inode number of the mount namespace", .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, net_ns, "process.linux.namespace.net",
	      "inode number of the network namespace", .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, user_ns, "process.linux.namespace.user",
	      "inode number of the user namespace", .flags = OMIT_ZERO),
	FIELD(tapio_process_exec, cgroup_ns, "process.linux.namespace.cgroup",
	      "inode number of the cgroup namespace", .flags = OMIT_ZERO),
	PAD(tapio_process_exec, pad),
};

static const struct event_field process_exec_failed[] = {
	FIELD(tapio_process_exec_failed, parent_pid, "process.parent_pid", "process id of the parent",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exec_failed, filename, "process.exec.filename", "the path given to execve(2)",
	      .label = ""),
	FIELD(tapio_process_exec_failed, error, "process.exec.errno", "errno of execve(2)"),
	FIELD(tapio_process_exec_failed, error, "error.type", "its symbol", .flags = ALIAS | AS_NAME | FAILURE,
	      .label = ""),
	PAD(tapio_process_exec_failed, pad),
};

static const struct event_field process_exit[] = {
	FIELD(tapio_process_exit, parent_pid, "process.parent_pid", "process id of the parent",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exit, code, "process.exit.code",
	      "status given to exit(2), 0 to 255; left out if a signal ended the process",
	      .flags = OMIT_NEGATIVE | FAILURE, .label = "code"),
	FIELD(tapio_process_exit, signal, "process.exit.signal",
	      "the signal that ended the process; left out if it exited",
	      .flags = OMIT_ZERO | FAILURE, .label = "signal"),
	FIELD(tapio_process_exit, core_dumped, "process.exit.core_dumped", "whether a core was dumped",
	      .flags = OMIT_FALSE, .label = "core"),
	FIELD(tapio_process_exit, ran_ns, "process.run_time", "time since the process was created",
	      .unit = "ns", .label = "ran"),
	FIELD(tapio_process_exit, user_ns, "process.cpu.user_time",
	      "CPU time in user mode, all threads; left out if it was too short to be counted",
	      .unit = "ns", .flags = OMIT_ONES, .label = "user"),
	FIELD(tapio_process_exit, system_ns, "process.cpu.system_time",
	      "CPU time in the kernel, all threads; left out if it was too short to be counted",
	      .unit = "ns", .flags = OMIT_ONES, .label = "sys"),
	FIELD(tapio_process_exit, peak_rss_bytes, "process.memory.peak_rss",
	      "largest resident set size that the process had", .unit = "By", .flags = OMIT_ZERO,
	      .label = "rss"),
	FIELD(tapio_process_exit, start, "process.creation.time", "when the process was created",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_exit, vpid, "process.vpid", "process id in the process's own pid namespace",
	      .flags = OMIT_ZERO),
	PAD(tapio_process_exit, pad),
};

static const struct event_field process_fork[] = {
	FIELD(tapio_process_fork, parent_pid, "process.parent_pid", "process id of the parent",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_fork, start, "process.creation.time", "when the process was created",
	      .flags = OMIT_ZERO),
	FIELD(tapio_process_fork, vpid, "process.vpid", "process id in the process's own pid namespace",
	      .flags = OMIT_ZERO),
};

#define CGROUP_FIELDS(s)                                                                           \
	FIELD(s, path, "cgroup.subject.path", "path of the cgroup, below the root of its hierarchy",       \
	      .label = ""),                                                                        \
	FIELD(s, id, "cgroup.subject.id", "id of the cgroup in its hierarchy", .flags = OMIT_ZERO,         \
	      .label = "id"),                                                                      \
	FIELD(s, hierarchy, "cgroup.subject.hierarchy", "0 is cgroup v2, else as in /proc/cgroups",        \
	      .label = "hierarchy")

static const struct event_field cgroup_created[] = { CGROUP_FIELDS(tapio_cgroup_created) };
static const struct event_field cgroup_removed[] = { CGROUP_FIELDS(tapio_cgroup_removed) };
static const struct event_field cgroup_renamed[] = { CGROUP_FIELDS(tapio_cgroup_renamed) };
static const struct event_field cgroup_entered[] = {
	CGROUP_FIELDS(tapio_cgroup_entered),
	FIELD(tapio_cgroup_entered, pid, "cgroup.entered.tid",
	      "the thread that was moved, in the initial pid namespace; with a process, its first thread",
	      .label = "moved"),
	PAD(tapio_cgroup_entered, pad),
};

static const struct event_field identity[] = {
	FIELD(tapio_identity, cgroup_id, "cgroup.id", "the cgroup id of the earlier events",
	      .flags = OMIT_ZERO, .label = "cgroup"),
	FIELD(tapio_identity, legacy_cgroup_id, "cgroup.legacy_id", "their id in a cgroup v1 hierarchy",
	      .flags = OMIT_ZERO),
};

static const struct event_field started[] = {
	FIELD(tapio_started, version, "tapio.version", "version of the agent", .label = "version"),
	FIELD(tapio_started, boot_id, "host.boot_id", "of this boot of the machine", .label = "boot"),
};

#define DNS_PARTIES(s, m)                                                                          \
	FIELD(s, m server, "server.address",                                                       \
	      "who was asked, as the client addressed it: before any destination NAT", .label = "server"), \
	FIELD(s, m server_port, "server.port", "its port", .flags = OMIT_ZERO),                    \
	FIELD(s, m client, "client.address", "who asked"),                                         \
	FIELD(s, m client_port, "client.port", "its port", .flags = OMIT_ZERO)

/* `part`: of which message, in help texts. */
#define DNS_MESSAGE(s, m, part, size_name)                                                         \
	FIELD(s, m name, "dns.question.name",                                                      \
	      "the name that is asked for, without the dot at its end; octets that are not printable are \\DDD " \
	      "(RFC 1035 5.1)", .label = ""),                                                      \
	FIELD(s, m qtype, "dns.question.type", "AAAA, or TYPE65280 (RFC 3597)", .label = ""),      \
	FIELD(s, m qclass, "dns.question.class", "left out if it is IN"),                          \
	FIELD(s, m opcode, "dns.opcode", "left out if it is QUERY"),                               \
	FIELD(s, m rcode, "dns.response_code", "NOERROR, NXDOMAIN, ...; with the upper bits of EDNS",      \
	      .label = ""),                                                                        \
	FIELD(s, m answers, "dns.answers", "the addresses of A and AAAA records among the answers", .label = ""), \
	FIELD(s, m answer_count, "dns.response.answer_count", "records in the answer section" part,      \
	      .flags = OMIT_ZERO),                                                                 \
	FIELD(s, m records, "dns.response.records",                                                \
	      "the records of all sections but EDNS, as in a zone file: name, TTL, class, type, data"),     \
	FIELD(s, m records_cut, "dns.response.records_cut", "true if there are more than are told",       \
	      .flags = OMIT_FALSE),                                                                \
	FIELD(s, m header, "dns.flags", "of the header, as dig prints them: qr aa tc rd ra ad cd" part),  \
	FIELD(s, m truncated, "dns.truncated", "the answer did not fit and was cut (TC)", .flags = OMIT_FALSE, \
	      .label = "truncated"),                                                               \
	FIELD(s, m id, "dns.id", "the message's id"),                                              \
	FIELD(s, m size, size_name, "octets of the message" part, .unit = "By", .flags = OMIT_ZERO), \
	FIELD(s, m payload_size, "dns.edns.payload_size",                                          \
	      "octets of UDP that the sender takes (RFC 6891)" part, .unit = "By", .flags = OMIT_ZERO),    \
	FIELD(s, m dnssec_ok, "dns.edns.dnssec_ok", "DO: DNSSEC records are wanted (RFC 3225)",          \
	      .flags = OMIT_FALSE),                                                                \
	FIELD(s, m client_subnet, "dns.edns.client_subnet", "network of the client (RFC 7871)"),   \
	FIELD(s, m extended_error, "dns.edns.extended_error", "name and text of the extended error (RFC 8914)", \
	      .label = ""),                                                                        \
	FIELD(s, m transport, "network.transport", "udp or tcp", .label = ""),                     \
	FIELD(s, m role, "dns.role",                                                               \
	      "client: the process asks; server: the process is asked, by a client that is not seen here"), \
	DNS_PARTIES(s, m),                                                                         \
	FIELD(s, m server_nat, "dns.server.nat.address", "where destination NAT sent the question to, if it did"), \
	FIELD(s, m server_nat_port, "dns.server.nat.port", "the port there", .flags = OMIT_ZERO),  \
	FIELD(s, m uid, "process.user.id", "effective user id", .flags = OMIT_ONES),               \
	PAD(s, m pad), PAD(s, m pad_end)

#define OF_THE_ANSWER ", of the answer"
#define DNS_LOOKUP(s)                                                                              \
	DNS_MESSAGE(s, m., OF_THE_ANSWER, "dns.response.size"),                                    \
	FIELD(s, failure, "error.type", "the response code if it is not NOERROR, or timeout", .flags = FAILURE), \
	FIELD(s, query_size, "dns.query.size", "octets of the question's message", .unit = "By", .flags = OMIT_ZERO), \
	FIELD(s, servers, "dns.lookup.servers", "the servers that were tried, if more than one"),  \
	FIELD(s, failover, "dns.lookup.failover", "the answer came from another server than was asked first",    \
	      .flags = OMIT_FALSE, .label = "failover"),                                           \
	FIELD(s, twin_answered, "dns.lookup.twin_answered",                                        \
	      "of a pair of questions for A and AAAA that was sent at once, the other one was answered: the mark of a " \
	      "race in connection tracking",                                                       \
	      .flags = OMIT_FALSE, .label = "twin answered"),                                      \
	FIELD(s, wasted, "dns.search.wasted",                                                      \
	      "how many questions this process asked before in vain, for this name with other search domains (ndots)", \
	      .flags = OMIT_ZERO, .label = "wasted"),                                              \
	FIELD(s, id, "dns.lookup.id", "a number of its own, counted since the start"),             \
	FIELD(s, previous_id, "dns.lookup.previous_id", "the lookup whose truncated answer made this one",       \
	      .flags = OMIT_ZERO),                                                                 \
	FIELD(s, parent_id, "dns.lookup.parent_id",                                                \
	      "the lookup that a server of this machine makes this one for", .flags = OMIT_ZERO),  \
	FIELD(s, server_pid, "dns.server.pid", "process id of the server, if it runs on this machine", .flags = OMIT_ZERO), \
	FIELD(s, server_comm, "dns.server.executable.name", "its name"),                           \
	PAD(s, pad)

static const struct event_field dns_lookup[] = {
	DNS_LOOKUP(tapio_dns_lookup),
	FIELD(tapio_dns_lookup, attempts, "dns.lookup.attempts", "how many times the question was sent"),
	FIELD(tapio_dns_lookup, took_ns, "dns.lookup.duration", "from the first question to the answer", .unit = "ns",
	      .label = "took"),
	FIELD(tapio_dns_lookup, doubtful, "dns.lookup.doubtful",
	      "Tapio itself lost records meanwhile: there may have been more attempts", .flags = OMIT_FALSE),
};

static const struct event_field dns_timeout[] = {
	DNS_LOOKUP(tapio_dns_lookup),
	FIELD(tapio_dns_lookup, attempts, "dns.lookup.attempts", "how many times the question was sent",
	      .label = "attempts"),
	FIELD(tapio_dns_lookup, took_ns, "dns.lookup.waited", "since the first question", .unit = "ns",
	      .label = "waited"),
	FIELD(tapio_dns_lookup, doubtful, "dns.lookup.doubtful",
	      "Tapio itself lost records meanwhile: there may have been an answer", .flags = OMIT_FALSE,
	      .label = "doubtful"),
};

static const struct event_field dns_query[] = { DNS_MESSAGE(tapio_dns_message, , "", "dns.query.size") };
static const struct event_field dns_response[] = { DNS_MESSAGE(tapio_dns_message, , "", "dns.response.size") };

static const struct event_field dns_error[] = {
	FIELD(tapio_dns_error, reason, "error.type", "what is wrong", .flags = FAILURE, .label = ""),
	DNS_MESSAGE(tapio_dns_error, m., "", "dns.message.size"),
	FIELD(tapio_dns_error, offset, "dns.error.offset", "the octet of the message at which reading ended",
	      .flags = OMIT_ZERO),
	FIELD(tapio_dns_error, late_ns, "dns.error.late", "how long after the question had been given up", .unit = "ns",
	      .flags = OMIT_ZERO, .label = "late"),
};

static const struct event_field dns_encrypted[] = {
	FIELD(tapio_dns_encrypted, protocol, "network.protocol.name", "dot: DNS over TLS (RFC 7858)", .label = ""),
	DNS_PARTIES(tapio_dns_encrypted, ),
	FIELD(tapio_dns_encrypted, uid, "process.user.id", "effective user id", .flags = OMIT_ONES),
	PAD(tapio_dns_encrypted, pad),
};

/* Not published: only what has to be checked is described. */
static const struct event_field dns_packet[] = {
	FIELD(tapio_dns_packet, payload, "payload", "octets of DNS"),
};

#define EVENT(t, s, snsr, ev_name, ev_help, ...)                                                   \
	[t] = { .type = t,                                                                         \
		.size = sizeof(struct tapio_##s),                                                  \
		.sensor = snsr,                                                                    \
		.nfields = COUNT_OF(s),                                                             \
		.fields = s,                                                                       \
		.name = ev_name,                                                                   \
		.help = ev_help,                                                                   \
		##__VA_ARGS__ }

#define tapio_dns_query tapio_dns_message
#define tapio_dns_response tapio_dns_message
#define tapio_dns_timeout tapio_dns_lookup
#define DNS_EVENT(t, s, ev_name, ev_help, ...)                                                     \
	EVENT(t, s, TAPIO_SENSOR_DNS, ev_name, ev_help, .ring = TAPIO_RING_BULK, ##__VA_ARGS__)

static const struct event_desc descs[TAPIO_EV_MAX] = {
	EVENT(TAPIO_EV_LOST, lost, 0, "tapio.lost",
	      "Tapio lost or refused something: how much, whose and why"),
	EVENT(TAPIO_EV_PROCESS_EXEC, process_exec, TAPIO_SENSOR_PROCESS, "process.exec",
	      "a process started a program: execve(2) or execveat(2) succeeded"),
	EVENT(TAPIO_EV_PROCESS_EXEC_FAILED, process_exec_failed, TAPIO_SENSOR_PROCESS,
	      "process.exec_failed", "execve(2) or execveat(2) failed"),
	EVENT(TAPIO_EV_PROCESS_EXIT, process_exit, TAPIO_SENSOR_PROCESS, "process.exit",
	      "a process ended: its last thread has left"),
	EVENT(TAPIO_EV_PROCESS_FORK, process_fork, TAPIO_SENSOR_PROCESS, "process.fork",
	      "a process was created by fork(2), vfork(2) or clone(2); threads are not reported",
	      .off = 1),
	EVENT(TAPIO_EV_CGROUP_CREATED, cgroup_created, TAPIO_SENSOR_CGROUP, "cgroup.created",
	      "a cgroup was made, in the v2 hierarchy or in the v1 hierarchy that Tapio follows", .off = 1),
	EVENT(TAPIO_EV_CGROUP_REMOVED, cgroup_removed, TAPIO_SENSOR_CGROUP, "cgroup.removed",
	      "a cgroup was removed", .off = 1),
	EVENT(TAPIO_EV_CGROUP_RENAMED, cgroup_renamed, TAPIO_SENSOR_CGROUP, "cgroup.renamed",
	      "a cgroup v1 directory was renamed", .off = 1),
	EVENT(TAPIO_EV_CGROUP_ENTERED, cgroup_entered, TAPIO_SENSOR_CGROUP, "cgroup.entered",
	      "a process or a thread was moved into another cgroup", .off = 1),
	EVENT(TAPIO_EV_IDENTITY, identity, 0, "tapio.identity",
	      "whom earlier events of a cgroup were about, now that it is known"),
	EVENT(TAPIO_EV_STARTED, started, 0, "tapio.started",
	      "the agent has begun to watch: what happened before, this one has not seen"),
	DNS_EVENT(TAPIO_EV_DNS_LOOKUP, dns_lookup, "dns.lookup", "a question was answered"),
	DNS_EVENT(TAPIO_EV_DNS_TIMEOUT, dns_timeout, "dns.timeout", "a question was not answered in time (dns.timeout)"),
	DNS_EVENT(TAPIO_EV_DNS_QUERY, dns_query, "dns.query", "a question was sent, or came to a server", .off = 1),
	DNS_EVENT(TAPIO_EV_DNS_RESPONSE, dns_response, "dns.response", "an answer came, or was sent by a server",
		  .off = 1),
	DNS_EVENT(TAPIO_EV_DNS_ERROR, dns_error, "dns.error",
		  "a message that is malformed, or an answer that nobody waits for"),
	DNS_EVENT(TAPIO_EV_DNS_ENCRYPTED, dns_encrypted, "dns.encrypted",
		  "a connection for DNS over TLS was begun: what is asked there cannot be read"),
};

static const struct event_desc dns_packet_desc = {
	.type = TAPIO_EV_DNS_PACKET, .size = sizeof(struct tapio_dns_packet), .sensor = TAPIO_SENSOR_DNS,
	.ring = TAPIO_RING_BULK, .nfields = COUNT_OF(dns_packet), .fields = dns_packet, .name = "dns.packet",
};

static const struct {
	const char *name;
	const char *collector;
} sensors[TAPIO_SENSOR_MAX] = {
	[TAPIO_SENSOR_PROCESS] = { "process", "kernel" },
	[TAPIO_SENSOR_CGROUP] = { "cgroup", "kernel" },
	[TAPIO_SENSOR_DNS] = { "dns", "dns" },
};

static const struct {
	const char *name;
	const char *help;
} causes[TAPIO_CAUSE_MAX] = {
	[TAPIO_CAUSE_RING_FULL] = { "ring_full", "Tapio did not read as fast as events came" },
	[TAPIO_CAUSE_NO_SLOT] = { "no_slot", "more programs interrupted each other than there is scratch memory for" },
	[TAPIO_CAUSE_STATE_FULL] = { "state_full",
				     "a map that remembers something between two hooks was full" },
	[TAPIO_CAUSE_RUN_SKIPPED] = { "run_skipped", "the kernel skipped a program to prevent recursion" },
	[TAPIO_CAUSE_PERF_FULL] = { "perf_full",
				    "as ring_full, but counted by the kernel alone (before Linux 5.1)" },
	[TAPIO_CAUSE_UNREADABLE] = { "unreadable", "memory that the hook names could not be read" },
	[TAPIO_CAUSE_MALFORMED] = { "malformed",
				    "a record's offsets or lengths did not fit: a fault of Tapio's own" },
	[TAPIO_CAUSE_UNKNOWN_TYPE] = { "unknown_type",
				       "a record of a type that this version of Tapio does not know" },
	[TAPIO_CAUSE_BUDGET] = { "budget",
				 "its cgroup had sent as many events in this second as one may (limits.events_per_second)" },
	[TAPIO_CAUSE_SINK_FULL] = { "sink_full", "this sink did not take events as fast as they came" },
	[TAPIO_CAUSE_SINK_FAILED] = { "sink_failed", "this sink could not write: disk full, or an error" },
};

static const struct {
	const char *name;
	const char *help;
} reasons[IDENTITY_REASONS] = {
	[IDENTITY_NO_CGROUP] = { "no_cgroup", "the kernel gives no cgroup here, and no ancestor's is known" },
	[IDENTITY_GONE] = { "gone", "the cgroup went before its name could be learnt" },
	[IDENTITY_EVICTED] = { "evicted", "more cgroups than limits.cgroups, and this one has gone" },
	[IDENTITY_NO_STATE] = { "no_state", "neither a runtime's state nor a log folder names the container" },
	[IDENTITY_LATE] = { "late", "names were not read in time: a tapio.identity event follows" },
	[IDENTITY_HIDDEN] = { "hidden", "its path cannot be read: the cgroup file system is not mounted as a whole here, "
					"CAP_DAC_READ_SEARCH is missing, or no descriptor was left" },
};

const struct event_desc *event_desc_by_type(unsigned type)
{
	return type < TAPIO_EV_MAX && descs[type].name ? &descs[type] : NULL;
}

const struct event_desc *event_desc_of_record(unsigned type)
{
	return type == TAPIO_EV_DNS_PACKET ? &dns_packet_desc : event_desc_by_type(type);
}

const struct event_desc *event_desc_by_name(const char *name)
{
	for (unsigned i = 0; i < TAPIO_EV_MAX; i++)
		if (descs[i].name && !strcmp(descs[i].name, name))
			return &descs[i];
	return NULL;
}

static int field_find(const struct event_field *fields, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (fields[i].name && !strcmp(fields[i].name, name))
			return (int)i;
	return -ENOENT;
}

int event_field_index(const struct event_desc *desc, const char *name)
{
	unsigned ncommon = event_common_count(desc);
	int i = field_find(event_common, ncommon, name);

	if (i >= 0)
		return i;
	i = field_find(desc->fields, desc->nfields, name);
	return i < 0 ? i : (int)(event_ncommon + (unsigned)i);
}

const char *sensor_name(unsigned sensor)
{
	return sensor < TAPIO_SENSOR_MAX ? sensors[sensor].name : NULL;
}

const char *collector_name(unsigned sensor)
{
	return sensor < TAPIO_SENSOR_MAX ? sensors[sensor].collector : NULL;
}

const char *cause_name(unsigned cause)
{
	return cause < TAPIO_CAUSE_MAX ? causes[cause].name : NULL;
}

const char *cause_help(unsigned cause)
{
	return cause < TAPIO_CAUSE_MAX ? causes[cause].help : NULL;
}

int sensor_by_name(const char *name)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (sensors[i].name && !strcmp(sensors[i].name, name))
			return (int)i;
	return -ENOENT;
}

const char *identity_reason_name(unsigned reason)
{
	return reason < IDENTITY_REASONS ? reasons[reason].name : NULL;
}

const char *identity_reason_help(unsigned reason)
{
	return reason < IDENTITY_REASONS ? reasons[reason].help : NULL;
}
