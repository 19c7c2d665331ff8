/* SPDX-License-Identifier: Apache-2.0 */
/* The dns sensor: bpf/dns.bpf.c, and bpf/dns_abi.bpf.c for kernels without BTF. */
#include <bpf/libbpf.h>

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

#define LEGACY_ID(event) event ":cgroup.legacy_id "

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
	{ 0 }
};

/* The programs that remember sockets run already: whatever is not found here is seen by them. */
static int started(const struct sensor_run *run)
{
	struct bpf_map *sockets = bpf_object__find_map_by_name(run->obj, "dns_sockets");
	struct dns_sockets_found found;

	if (!sockets || !host_pid_namespace()) /* /proc has other numbers than the programs see */
		return 0;
	dns_sockets_enter(bpf_map__fd(sockets), run->dns_ports, &found);
	if (found.found > found.entered)
		log_debug("dns: the processes of %u sockets that were there before stay unknown",
			  found.found - found.entered);
	return 0;
}

SENSOR(dns) = {
	.id = TAPIO_SENSOR_DNS,
	.help = "DNS: lookups, their answers, and those that got none",
	.tiers = tiers,
	.started = started,
	.before = "dns_egress",
};
