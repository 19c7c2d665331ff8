/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS as programs send and receive it: for kernels, and containers, where no program may watch packets.
 *
 * Hooks: classic tracepoints of the system calls that make sockets known (socket, connect, bind, accept, close) and of
 * those that carry messages. What is sent is read when the call is entered, what is received when it returns: the kernel
 * has just written it. They run in the caller's name, so the process is always known.
 * Not seen: a client's own address, and destination NAT, which the kernel does later; the address that a server bound to
 * all of them was asked at; io_uring, sendfile(2), splice(2); system calls of 32-bit programs; descriptors that changed
 * their number or owner (dns_calls.h). Of one sendmmsg(2) or recvmmsg(2) the first four messages, and the first piece
 * of each; later ones are counted as unreadable. Of other messages the first four pieces. A message that the socket did not take is told all the same; so are the octets that it left over.
 * What a call returns that had been entered before these hooks were there.
 * Memory that was never touched cannot be read at the entry of a call: such a message is counted as unreadable.
 * Cost: a look-up for every call of read, write, send and receive of every process, and what any hook on a system call
 * costs all others. A copy of each DNS message, and two more look-ups.
 * Kernels: 4.14. Programs named _v4_18 also use bpf_get_current_cgroup_id, and follow forks and execs, by tracepoints
 * that other sensors use too: before 4.15 there is room for one program.
 */
#define TAPIO_ABI
#include "vmlinux_minimal.h"
#include "abi.h"
#include "emit.h"
#include "bpf/dns_calls.h"
#include "bpf/dns_calls_tell.h"

#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000

/* A call that has been entered and has not returned. */
enum call_kind { CALL_SOCKET = 1, CALL_ACCEPT, CALL_RECVFROM, CALL_RECVMSG, CALL_RECVMMSG, CALL_READ, CALL_READV };

struct call {
	u64 data; /* user memory: the octets, their pieces or headers; of a socket its protocol */
	u64 length;
	u64 name; /* user memory: whose address it is */
	u32 fd;
	u32 kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64); /* bpf_get_current_pid_tgid */
	__type(value, struct call);
} dns_call_pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tapio_dns_calls_layout);
} tapio_layout SEC(".maps");

static __always_inline u64 argument(void *ctx, u32 n)
{
	u32 zero = 0;
	struct tapio_dns_calls_layout *l = bpf_map_lookup_elem(&tapio_layout, &zero);

	return l && l->arguments ? field_u64(ctx, l->arguments + 8 * n) : 0;
}

static __always_inline s64 result(void *ctx)
{
	u32 zero = 0;
	struct tapio_dns_calls_layout *l = bpf_map_lookup_elem(&tapio_layout, &zero);

	return l && l->result ? field_u64(ctx, l->result) : -1;
}

static __always_inline void remember_call(u32 kind, u32 fd, u64 data, u64 length, u64 name)
{
	struct call call = { .data = data, .length = length, .name = name, .fd = fd, .kind = kind };
	u64 thread = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&dns_call_pending, &thread, &call, BPF_ANY);
}

static __always_inline bool recall(u32 kind, struct call *ret)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&dns_call_pending, &thread);

	if (!call || call->kind != kind)
		return false;
	__builtin_memcpy(ret, call, sizeof(*ret));
	bpf_map_delete_elem(&dns_call_pending, &thread);
	return true;
}

/* ---- sending ---- */

/* Where to: the address given with the message, or else what the socket is connected to. NULL: it is no DNS. */
static __always_inline struct tapio_dns_call_socket *sender(u32 fd, u64 name, struct address *ret_to)
{
	struct tapio_dns_call_socket *s = socket_of(fd);
	u32 protocol;

	if (!name) {
		if (!s || !(s->local_port | s->peer_port))
			return NULL;
		get_peer(s, ret_to);
		return s;
	}
	if (!read_address(name, ret_to))
		return NULL;
	if (s && s->local_port)
		return s;
	if (!is_dns_port(ret_to->port)) {
		if (s && !(s->flags & TAPIO_DNS_CALL_CONNECTED))
			s->peer_port = 0;
		return NULL;
	}
	if (!s) {
		protocol = socket_protocol(fd);
		s = socket_make(fd, protocol);
		if (s && protocol == IPPROTO_TCP) /* TCP Fast Open connects by sending */
			s->flags |= TAPIO_DNS_CALL_CONNECTED | TAPIO_DNS_CALL_BEGUN;
	}
	if (s)
		set_peer(s, ret_to);
	return s;
}

static __always_inline void sent_buffer(void *ctx, u32 fd, u64 at, u64 length, u64 name, bool v4_18)
{
	struct octets o = {};
	struct address to = {};
	struct tapio_dns_call_socket *s = sender(fd, name, &to);

	if (!s)
		return;
	octets_of_buffer(&o, at, length, ALL);
	tell(ctx, s, &to, &o, TAPIO_DNS_EGRESS, v4_18);
}

static __always_inline void sent_to(void *ctx, bool v4_18)
{
	u64 name = argument(ctx, 4);

	if (name || speaks_dns())
		sent_buffer(ctx, argument(ctx, 0), argument(ctx, 1), argument(ctx, 2), name, v4_18);
}

static __always_inline void sent_iovecs(void *ctx, u32 fd, u64 iovecs, u64 n, u64 name, bool v4_18)
{
	struct octets o = {};
	struct address to = {};
	struct tapio_dns_call_socket *s = sender(fd, name, &to);

	if (!s)
		return;
	octets_of_iovecs(&o, iovecs, n, ALL, PIECES);
	tell(ctx, s, &to, &o, TAPIO_DNS_EGRESS, v4_18);
}

static __always_inline void sent_message(void *ctx, u32 fd, u64 at, bool v4_18)
{
	struct message_header h = {};

	if (!bpf_probe_read_user(&h, sizeof(h), (void *)at))
		sent_iovecs(ctx, fd, h.iovecs, h.niovecs, h.name, v4_18);
}

static __always_inline void sent_many(void *ctx, u32 fd, u64 at, u64 n, bool v4_18)
{
	struct tapio_dns_call_socket *s;
	struct message_header h = {};
	struct address to = {};

	if (bpf_probe_read_user(&h, sizeof(h), (void *)at))
		return;
	s = sender(fd, h.name, &to);
	if (s)
		tell_many(ctx, s, at, n, TAPIO_DNS_EGRESS, v4_18);
}

/* Each program twice: the second one knows the cgroup. */
#define PROGRAM(name, section, call)                                                               \
	SEC("tp/syscalls/" section)                                                                \
	int name##_abi(void *ctx)                                                                  \
	{                                                                                          \
		const bool v4_18 = false;                                                          \
                                                                                                   \
		call;                                                                              \
		return TP_PASS;                                                                    \
	}                                                                                          \
                                                                                                   \
	SEC("tp/syscalls/" section)                                                                \
	int name##_abi_v4_18(void *ctx)                                                            \
	{                                                                                          \
		const bool v4_18 = true;                                                           \
                                                                                                   \
		call;                                                                              \
		return TP_PASS;                                                                    \
	}

PROGRAM(dns_sendto, "sys_enter_sendto", sent_to(ctx, v4_18))
PROGRAM(dns_write, "sys_enter_write",
	if (speaks_dns())
		sent_buffer(ctx, argument(ctx, 0), argument(ctx, 1), argument(ctx, 2), 0, v4_18))
PROGRAM(dns_sendmsg, "sys_enter_sendmsg", sent_message(ctx, argument(ctx, 0), argument(ctx, 1), v4_18))
PROGRAM(dns_sendmmsg, "sys_enter_sendmmsg",
	sent_many(ctx, argument(ctx, 0), argument(ctx, 1), argument(ctx, 2), v4_18))
PROGRAM(dns_writev, "sys_enter_writev",
	if (speaks_dns())
		sent_iovecs(ctx, argument(ctx, 0), argument(ctx, 1), argument(ctx, 2), 0, v4_18))

/* ---- receiving ---- */

static __always_inline void receive(void *ctx, u32 kind, u32 flags, u64 length, u64 name)
{
	u32 fd = argument(ctx, 0);

	/* What is only looked at comes again; what comes back with an error was sent. */
	if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)) && socket_of(fd))
		remember_call(kind, fd, argument(ctx, 1), length, name);
}

SEC("tp/syscalls/sys_enter_recvfrom")
int dns_recvfrom_enter_abi(void *ctx)
{
	if (speaks_dns())
		receive(ctx, CALL_RECVFROM, argument(ctx, 3), argument(ctx, 2), argument(ctx, 4));
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_recvmsg")
int dns_recvmsg_enter_abi(void *ctx)
{
	if (speaks_dns())
		receive(ctx, CALL_RECVMSG, argument(ctx, 2), 0, 0);
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_recvmmsg")
int dns_recvmmsg_enter_abi(void *ctx)
{
	if (speaks_dns())
		receive(ctx, CALL_RECVMMSG, argument(ctx, 3), 0, 0);
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_read")
int dns_read_enter_abi(void *ctx)
{
	if (speaks_dns())
		receive(ctx, CALL_READ, 0, argument(ctx, 2), 0);
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_readv")
int dns_readv_enter_abi(void *ctx)
{
	if (speaks_dns())
		receive(ctx, CALL_READV, 0, argument(ctx, 2), 0);
	return TP_PASS;
}

/* The call that returns, its socket, and how much came. NULL: nothing did. */
static __always_inline struct tapio_dns_call_socket *received(void *ctx, u32 kind, struct call *ret_call, u64 *ret_n,
							      bool v4_18)
{
	struct tapio_dns_call_socket *s;
	s64 n;

	if (!recall(kind, ret_call))
		return NULL;
	n = result(ctx);
	if (n < 0)
		return NULL;
	*ret_n = n;
	s = socket_of(ret_call->fd);
	if (s && !n && ret_call->length)
		tell_end(ctx, s, 0, v4_18);
	return n ? s : NULL;
}

static __always_inline void received_buffer(void *ctx, u32 kind, bool v4_18)
{
	u64 n = 0;
	struct octets o = {};
	struct call call = {};
	struct address from = {};
	struct tapio_dns_call_socket *s = received(ctx, kind, &call, &n, v4_18);

	if (!s || !other_side(s, call.name, &from))
		return;
	octets_of_buffer(&o, call.data, call.length, n); /* n is more than the length: MSG_TRUNC */
	tell(ctx, s, &from, &o, 0, v4_18);
}

static __always_inline void received_iovecs(void *ctx, struct tapio_dns_call_socket *s, u64 iovecs, u64 niovecs, u64 name,
					    u64 total, bool v4_18)
{
	struct octets o = {};
	struct address from = {};

	if (!other_side(s, name, &from))
		return;
	octets_of_iovecs(&o, iovecs, niovecs, total, PIECES);
	tell(ctx, s, &from, &o, 0, v4_18);
}

static __always_inline void received_vector(void *ctx, bool v4_18)
{
	u64 n = 0;
	struct call call = {};
	struct tapio_dns_call_socket *s = received(ctx, CALL_READV, &call, &n, v4_18);

	if (s)
		received_iovecs(ctx, s, call.data, call.length, 0, n, v4_18);
}

static __always_inline void received_message(void *ctx, bool v4_18)
{
	u64 n = 0;
	struct call call = {};
	struct message_header h = {};
	struct tapio_dns_call_socket *s = received(ctx, CALL_RECVMSG, &call, &n, v4_18);

	if (s && !bpf_probe_read_user(&h, sizeof(h), (void *)call.data))
		received_iovecs(ctx, s, h.iovecs, h.niovecs, h.name, n, v4_18);
}

static __always_inline void received_many(void *ctx, bool v4_18)
{
	struct call call = {};
	struct tapio_dns_call_socket *s;
	s64 n;

	if (!recall(CALL_RECVMMSG, &call))
		return;
	n = result(ctx);
	if (n <= 0)
		return;
	s = socket_of(call.fd);
	if (s)
		tell_many(ctx, s, call.data, n, 0, v4_18);
}

PROGRAM(dns_recvfrom, "sys_exit_recvfrom", received_buffer(ctx, CALL_RECVFROM, v4_18))
PROGRAM(dns_recvmsg, "sys_exit_recvmsg", received_message(ctx, v4_18))
PROGRAM(dns_recvmmsg, "sys_exit_recvmmsg", received_many(ctx, v4_18))
PROGRAM(dns_read, "sys_exit_read", received_buffer(ctx, CALL_READ, v4_18))
PROGRAM(dns_readv, "sys_exit_readv", received_vector(ctx, v4_18))

/* ---- sockets ---- */

SEC("tp/syscalls/sys_enter_socket")
int dns_socket_enter_abi(void *ctx)
{
	u32 family = argument(ctx, 0), type = argument(ctx, 1) & 0xf;
	u32 protocol = type == SOCK_DGRAM ? IPPROTO_UDP : type == SOCK_STREAM ? IPPROTO_TCP : 0;

	if ((family == AF_INET || family == AF_INET6) && protocol)
		remember_call(CALL_SOCKET, 0, protocol, 0, 0);
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_socket")
int dns_socket_exit_abi(void *ctx)
{
	s64 fd = result(ctx);
	struct tapio_dns_call_key key = { .tgid = current_tgid(), .fd = fd };
	struct tapio_dns_call_socket *s;
	struct call call = {};
	u32 protocol;

	if (fd < 0)
		return TP_PASS;
	/* One that is still there under that number was closed unseen. */
	s = socket_of(fd);
	if (s)
		socket_close(s);
	if (!recall(CALL_SOCKET, &call))
		return TP_PASS;
	protocol = call.data;
	bpf_map_update_elem(&dns_call_types, &key, &protocol, BPF_ANY);
	return TP_PASS;
}

static __always_inline void tell_tls(void *ctx, const struct address *to, u32 fd, bool v4_18)
{
	struct tapio_dns_call_socket s = { .protocol = IPPROTO_TCP, .cookie = KERNELS_NEVER };
	struct tapio_dns_packet *rec;

	if (socket_protocol(fd) != IPPROTO_TCP || !event_wanted(TAPIO_EV_DNS_PACKET))
		return;
	rec = begin(&s, to, TAPIO_DNS_EGRESS | TAPIO_DNS_SYN | TAPIO_DNS_TLS, v4_18);
	if (rec)
		record_send(ctx, rec, TAPIO_RING_BULK, sizeof(*rec));
}

static __always_inline void connecting(void *ctx, u32 fd, u64 name, bool v4_18)
{
	struct tapio_dns_call_socket *s = socket_of(fd);
	struct address to = {};

	read_address(name, &to); /* of no address of IP nothing is left: AF_UNSPEC dissolves a connection */
	if (!is_dns_port(to.port)) {
		if (s && !s->local_port)
			socket_close(s);
		if (to.port == TAPIO_DNS_TLS_PORT)
			tell_tls(ctx, &to, fd, v4_18);
		return;
	}
	if (!s)
		s = socket_make(fd, socket_protocol(fd));
	if (!s)
		return;
	set_peer(s, &to);
	s->flags |= TAPIO_DNS_CALL_CONNECTED | TAPIO_DNS_CALL_BEGUN;
}

PROGRAM(dns_connect, "sys_enter_connect", connecting(ctx, argument(ctx, 0), argument(ctx, 1), v4_18))

SEC("tp/syscalls/sys_enter_bind")
int dns_bind_abi(void *ctx)
{
	u32 fd = argument(ctx, 0);
	struct tapio_dns_call_socket *s;
	struct address local = {};

	if (!read_address(argument(ctx, 1), &local) || !is_dns_port(local.port))
		return TP_PASS;
	s = socket_of(fd);
	if (!s)
		s = socket_make(fd, socket_protocol(fd));
	if (s)
		set_local(s, &local);
	return TP_PASS;
}

static __always_inline void accepting(u32 fd, u64 name)
{
	struct tapio_dns_call_socket *s = socket_of(fd);

	if (s && s->local_port)
		remember_call(CALL_ACCEPT, fd, 0, 0, name);
}

static __always_inline void accepted(s64 fd)
{
	struct tapio_dns_call_socket *listener, *s;
	struct address peer = {}, local = {};
	struct call call = {};

	if (!recall(CALL_ACCEPT, &call) || fd < 0)
		return;
	listener = socket_of(call.fd);
	if (!listener)
		return;
	__builtin_memcpy(local.octets, listener->local, sizeof(local.octets));
	local.family = listener->local_family;
	local.port = listener->local_port;
	s = socket_make(fd, IPPROTO_TCP);
	if (!s)
		return;
	set_local(s, &local);
	s->flags = TAPIO_DNS_CALL_CONNECTED | TAPIO_DNS_CALL_BEGUN;
	if (read_address(call.name, &peer))
		set_peer(s, &peer);
}

SEC("tp/syscalls/sys_enter_accept")
int dns_accept_enter_abi(void *ctx)
{
	if (speaks_dns())
		accepting(argument(ctx, 0), argument(ctx, 1));
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_accept")
int dns_accept_exit_abi(void *ctx)
{
	accepted(result(ctx));
	return TP_PASS;
}

SEC("tp/syscalls/sys_enter_accept4")
int dns_accept4_enter_abi(void *ctx)
{
	if (speaks_dns())
		accepting(argument(ctx, 0), argument(ctx, 1));
	return TP_PASS;
}

SEC("tp/syscalls/sys_exit_accept4")
int dns_accept4_exit_abi(void *ctx)
{
	accepted(result(ctx));
	return TP_PASS;
}

static __always_inline void closing(void *ctx, u32 fd, bool v4_18)
{
	struct tapio_dns_call_socket *s = socket_of(fd);

	if (!s)
		return;
	tell_end(ctx, s, TAPIO_DNS_EGRESS, v4_18);
	tell_end(ctx, s, 0, v4_18);
	socket_close(s);
}

PROGRAM(dns_close, "sys_enter_close",
	if (speaks_dns())
		closing(ctx, argument(ctx, 0), v4_18))

/* ---- processes ---- */

SEC("tp/task/task_newtask")
int dns_newtask_abi_v4_18(void *ctx)
{
	u32 zero = 0;
	struct tapio_dns_calls_layout *l = bpf_map_lookup_elem(&tapio_layout, &zero);

	if (l && !(field_u64(ctx, l->newtask_flags) & CLONE_THREAD))
		life_fork(field_u32(ctx, l->newtask_pid));
	return TP_PASS;
}

SEC("tp/sched/sched_process_exec")
int dns_exec_abi_v4_18(void *ctx)
{
	(void)ctx;
	life_end(current_tgid());
	return TP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
