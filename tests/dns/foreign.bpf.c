/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Somebody else's programs on the cgroup that Tapio's are on: they count what goes to an IPv4 address in each direction,
 * and deny what goes to another one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 counted, denied; /* addresses in network byte order */
__u32 seen[3]; /* ingress, egress, denied */

static int look(struct __sk_buff *skb, int direction)
{
	__u32 destination;

	if (skb->protocol != __builtin_bswap16(0x0800) || bpf_skb_load_bytes(skb, 16, &destination, sizeof(destination)))
		return 1;
	if (destination == counted)
		__sync_fetch_and_add(&seen[direction], 1);
	if (destination != denied)
		return 1;
	__sync_fetch_and_add(&seen[2], 1);
	return 0;
}

SEC("cgroup_skb/ingress")
int foreign_ingress(struct __sk_buff *skb)
{
	return look(skb, 0);
}

SEC("cgroup_skb/egress")
int foreign_egress(struct __sk_buff *skb)
{
	return look(skb, 1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
