/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/dns.h"

/* The larger number first. */
static int larger(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int more_lookups(const void *a, const void *b)
{
	const struct dns_client *x = a, *y = b;

	return larger(dns_tally_lookups(&x->tally), dns_tally_lookups(&y->tally));
}

static int more_wasted(const void *a, const void *b)
{
	return larger(((const struct dns_client *)a)->tally.wasted, ((const struct dns_client *)b)->tally.wasted);
}

static int more_of_server(const void *a, const void *b)
{
	const struct dns_server *x = a, *y = b;

	return larger(dns_tally_lookups(&x->tally), dns_tally_lookups(&y->tally));
}

static int more_asked(const void *a, const void *b)
{
	const struct dns_asked *x = a, *y = b;

	return larger(dns_tally_lookups(&x->tally), dns_tally_lookups(&y->tally));
}

uint32_t dns_top_clients(const struct dns_page *p, const void **ret)
{
	return top_sort(&p->summary->clients, ret, p->rows, more_lookups);
}

uint32_t dns_top_wasters(const struct dns_page *p, const void **ret)
{
	uint32_t n = top_sort(&p->summary->clients, ret, p->rows, more_wasted);

	while (n && !((const struct dns_client *)ret[n - 1])->tally.wasted)
		n--;
	return n;
}

uint32_t dns_top_servers(const struct dns_page *p, const void **ret)
{
	return top_sort(&p->summary->servers, ret, p->rows, more_of_server);
}

uint32_t dns_top_names(const struct dns_page *p, const void **ret)
{
	return top_sort(&p->summary->names, ret, p->rows, more_asked);
}

uint32_t dns_top_failing(const struct dns_page *p, const void **ret)
{
	return top_sort(&p->summary->failing, ret, p->rows, more_asked);
}

void dns_party_text(const struct dns_party *party, char *ret, size_t size)
{
	if (party->kind == DNS_PARTY_UNKNOWN)
		snprintf(ret, size, "-");
	else if (party->kind == DNS_PARTY_CONTAINER && strlen(party->name) == 64)
		snprintf(ret, size, "%.12s", party->name);
	else
		snprintf(ret, size, "%s%s%s", party->group, party->group[0] ? "/" : "", party->name);
}

void dns_advice(const struct dns_client *c, char *ret, size_t size)
{
	unsigned long long whole = c->wasted_whole;

	if (whole && c->dots)
		snprintf(ret, size, "ndots:%u (%s) saves %llu questions; or a dot at the end: %s.", c->dots,
			 c->party.kind == DNS_PARTY_POD ? "dnsConfig of the pod" : "options of resolv.conf", whole, c->found);
	else
		snprintf(ret, size, "by its full name with a dot at the end it takes one question: %s.", c->found);
}
