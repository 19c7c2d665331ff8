/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dns sensor: bpf/dns.bpf.c, bpf/dns_abi.bpf.c for kernels without BTF, and bpf/dns_calls_abi.bpf.c where no program
 * may watch packets.
 */
#include <bpf/libbpf.h>
#include <stddef.h>

#include "base/host.h"
#include "base/log.h"
#include "collect/dns_sockets.h"
#include "collect/sensor.h"

/* Each event is made of packets of both directions. */
#define ALL                                                                                        \
	(EVENT_BIT(TAPIO_EV_DNS_LOOKUP) | EVENT_BIT(TAPIO_EV_DNS_TIMEOUT) | EVENT_BIT(TAPIO_EV_DNS_QUERY) | \
	 EVENT_BIT(TAPIO_EV_DNS_RESPONSE) | EVENT_BIT(TAPIO_EV_DNS_ERROR) | EVENT_BIT(TAPIO_EV_DNS_ENCRYPTED))

/* Who sends comes first: a packet whose socket nobody knows is told without its process. */
#define CGROUP_PROGRAMS                                                                            \
	{                                                                                          \
		{ "dns_connect4", ALL }, { "dns_connect6", ALL }, { "dns_sendmsg4", ALL },         \
		{ "dns_sendmsg6", ALL }, { "dns_bind4", ALL }, { "dns_bind6", ALL },                \
		{ "dns_egress", ALL }, { "dns_ingress", ALL },                                     \
	}

/* `v` is empty, or _v4_18. Those come first whose work the others find done. */
#define CALLS_PROGRAMS(v)                                                                          \
	{ "dns_socket_enter_abi", ALL }, { "dns_socket_exit_abi", ALL }, { "dns_bind_abi", ALL },  \
		{ "dns_accept_enter_abi", ALL }, { "dns_accept_exit_abi", ALL },                   \
		{ "dns_accept4_enter_abi", ALL }, { "dns_accept4_exit_abi", ALL },                 \
		{ "dns_close_abi" v, ALL }, { "dns_connect_abi" v, ALL }, { "dns_sendto_abi" v, ALL }, \
		{ "dns_sendmsg_abi" v, ALL }, { "dns_sendmmsg_abi" v, ALL }, { "dns_write_abi" v, ALL }, \
		{ "dns_writev_abi" v, ALL }, { "dns_recvfrom_enter_abi", ALL },                    \
		{ "dns_recvfrom_abi" v, ALL }, { "dns_recvmsg_enter_abi", ALL },                   \
		{ "dns_recvmsg_abi" v, ALL }, { "dns_recvmmsg_enter_abi", ALL },                   \
		{ "dns_recvmmsg_abi" v, ALL }, { "dns_read_enter_abi", ALL }, { "dns_read_abi" v, ALL }, \
		{ "dns_readv_enter_abi", ALL }, { "dns_readv_abi" v, ALL }

#define EACH(of) of("dns.lookup") of("dns.timeout") of("dns.query") of("dns.response") of("dns.error")

#define LEGACY_ID(event) event ":cgroup.legacy_id "
#define CGROUP_ID(event) event ":cgroup.id "
#define CLIENT(event) event ":client.address " event ":client.port "
#define NAT(event) event ":dns.server.nat.address " event ":dns.server.nat.port "
#define SERVER(event) event ":server.address "

/* Of a lookup: the tie between the client's packet and the server's is the client's address. */
#define CALLS_LOSES                                                                                \
	EACH(LEGACY_ID) EACH(CLIENT) EACH(NAT) LEGACY_ID("dns.encrypted") CLIENT("dns.encrypted")  \
	"dns.lookup:dns.server.pid dns.lookup:dns.server.executable.name "                         \
	"dns.timeout:dns.server.pid dns.timeout:dns.server.executable.name "

#define CALLS_DERIVES                                                                              \
	EACH(SERVER) "dns.lookup:dns.role dns.timeout:dns.role dns.query:dns.role dns.response:dns.role dns.error:dns.role "

#define CALLS_HOW                                                                                  \
	"addresses are those that programs give to system calls: a server that is bound to all of them does not say " \
	"which one it was asked at; a lookup of a server on this machine is told by both, as the client's and as the " \
	"server's, because nothing ties them; what a socket did not take is told as sent; the first 4 messages of one " \
	"sendmmsg or recvmmsg are seen, of each the first piece, and of another message the first 4 pieces; io_uring " \
	"and 32-bit programs are not, nor sockets that were duplicated, passed on, or kept over an exec"

static const struct tier tiers[] = {
	{ .name = "cgroup_skb",
	  .object = "dns",
	  .needs = NEEDS(CGROUP_SKB) | NEEDS(PROBE_READ),
	  .programs = CGROUP_PROGRAMS },
	{ .name = "cgroup_skb_abi",
	  .object = "dns_abi",
	  .abi = true,
	  .needs = NEEDS(CGROUP_SKB),
	  .loses = LEGACY_ID("dns.lookup") LEGACY_ID("dns.timeout") LEGACY_ID("dns.query") LEGACY_ID("dns.response")
		  LEGACY_ID("dns.error") LEGACY_ID("dns.encrypted"),
	  .programs = CGROUP_PROGRAMS },
	{ .name = "syscalls",
	  .object = "dns_calls_abi",
	  .abi = true,
	  .needs = NEEDS(PROBE_READ) | NEEDS(TRACEPOINT) | NEEDS(CGROUP_ID),
	  .loses = CALLS_LOSES,
	  .derives = CALLS_DERIVES,
	  .derives_how = CALLS_HOW,
	  .programs = { { "dns_newtask_abi_v4_18", ALL }, { "dns_exec_abi_v4_18", ALL }, CALLS_PROGRAMS("_v4_18") } },
	{ .name = "syscalls_v4_14",
	  .object = "dns_calls_abi",
	  .abi = true,
	  .needs = NEEDS(PROBE_READ) | NEEDS(TRACEPOINT),
	  .loses = CALLS_LOSES EACH(CGROUP_ID) CGROUP_ID("dns.encrypted"),
	  .derives = CALLS_DERIVES,
	  .derives_how = CALLS_HOW "; nor those that a process has from its parent",
	  .programs = { CALLS_PROGRAMS("") } },
	{ 0 }
};

#define LAYOUT(member) offsetof(struct tapio_dns_calls_layout, member)

/* One system call tells where all of them have their arguments, and another one's exit their results. */
static const struct layout_field layout[] = {
	{ "syscalls/sys_enter_connect", "fd", LAYOUT(arguments), LAYOUT_REQUIRED },
	{ "syscalls/sys_exit_recvfrom", "ret", LAYOUT(result), LAYOUT_REQUIRED },
	{ "task/task_newtask", "pid", LAYOUT(newtask_pid), LAYOUT_REQUIRED },
	{ "task/task_newtask", "clone_flags", LAYOUT(newtask_flags), LAYOUT_REQUIRED },
	{ 0 }
};

static int map_of(const struct sensor_run *run, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->obj, name);

	return map ? bpf_map__fd(map) : -1;
}

/* The programs that remember sockets run already: whatever is not found here is seen by them. */
static int started(const struct sensor_run *run)
{
	int sockets = map_of(run, "dns_sockets"), lives = map_of(run, "dns_call_lives");
	struct dns_sockets_found found;

	if (!host_pid_namespace()) /* /proc has other numbers than the programs see */
		return 0;
	if (lives >= 0)
		dns_sockets_enter_calls(lives, map_of(run, "dns_call_sockets"), run->dns_ports, &found);
	else
		dns_sockets_enter(sockets, run->dns_ports, &found);
	if (found.found > found.entered)
		log_debug("dns: the processes of up to %u sockets that were there before stay unknown",
			  found.found - found.entered);
	return 0;
}

SENSOR(dns) = {
	.id = TAPIO_SENSOR_DNS,
	.help = "DNS: lookups, their answers, and those that got none",
	.tiers = tiers,
	.layout = layout,
	.started = started,
	.before = "dns_egress",
};
