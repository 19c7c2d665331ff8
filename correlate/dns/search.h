/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that search domains caused: with `ndots:5` and three domains, a program that looks up www.example.com asks
 * for it below each domain first, for A and AAAA, in vain each time.
 *
 * Told from what a process asks, without its resolv.conf: a name that does not exist, and within WASTE_NS one that does,
 * which is the same but for its end; and that end is none, or one that the first one's end ends in, as lists of search
 * domains are made ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local").
 */
#ifndef CORRELATE_DNS_SEARCH_H
#define CORRELATE_DNS_SEARCH_H

#include <stdint.h>

#include "correlate/dns/name.h"

#define WASTE_NS 10000000000ull

struct search;

/* NULL: no memory. */
struct search *search_open(void);
void search_close(struct search *s);

/* What it takes, in bytes. */
uint64_t search_memory(void);

/* A process (any number of it, not 0) asked for a name that does not exist. */
void search_failed(struct search *s, uint64_t process, const struct dns_name *name, uint64_t now_ns);

/* It asked for one that does. Returns how many of its failures that explains; they are forgotten. */
unsigned search_found(struct search *s, uint64_t process, const struct dns_name *name, uint64_t now_ns);

/* Whether a name that failed is this one with another search domain. */
bool search_explains(const struct dns_name *failed, const struct dns_name *found);

#endif
