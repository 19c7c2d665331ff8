/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/search.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "correlate/dns/lookups.h"

/* A process's failures share a set, with those of other processes of the same hash; the oldest one gives way. */
#define SETS 128
#define WAYS 32

struct failure {
	uint64_t process; /* 0: free */
	uint64_t time_ns;
	struct dns_name name;
};

struct search {
	struct failure sets[SETS][WAYS];
	uint8_t next[SETS];
};

struct search *search_open(void)
{
	return calloc(1, sizeof(struct search)); /* from the kernel, untouched: not resident until it is used */
}

void search_close(struct search *s)
{
	free(s);
}

uint64_t search_memory(void)
{
	return sizeof(struct search);
}

static unsigned set_of(uint64_t process)
{
	return (unsigned)(hash_mix(process, 0) % SETS);
}

void search_failed(struct search *s, uint64_t process, const struct dns_name *name, uint64_t now_ns)
{
	unsigned set = set_of(process);
	struct failure *f = &s->sets[set][s->next[set]];

	s->next[set] = (uint8_t)((s->next[set] + 1) % WAYS);
	f->process = process;
	f->time_ns = now_ns;
	f->name.length = name->length;
	memcpy(f->name.wire, name->wire, name->length);
}

/* Octets of the labels at the start that both have. */
static size_t common_start(const struct dns_name *a, const struct dns_name *b)
{
	size_t at = 0;

	while (at < a->length && at < b->length && a->wire[at] && a->wire[at] == b->wire[at]) {
		size_t label = 1 + (size_t)a->wire[at];

		if (at + label >= a->length || at + label >= b->length ||
		    strncasecmp((const char *)a->wire + at + 1, (const char *)b->wire + at + 1, label - 1))
			break;
		at += label;
	}
	return at;
}

bool search_explains(const struct dns_name *failed, const struct dns_name *found)
{
	size_t stem = common_start(failed, found);
	size_t rest_failed = failed->length - stem, rest_found = found->length - stem, at = stem;

	if (!stem || rest_found >= rest_failed)
		return false;
	if (rest_found <= 1) /* the root alone */
		return true;
	/* The end of the one that failed must end in the other's, at a label. */
	while (failed->length - at > rest_found)
		at += 1 + (size_t)failed->wire[at];
	return failed->length - at == rest_found &&
	       !strncasecmp((const char *)failed->wire + at, (const char *)found->wire + stem, rest_found);
}

unsigned search_found(struct search *s, uint64_t process, const struct dns_name *name, uint64_t now_ns)
{
	struct failure *set = s->sets[set_of(process)];
	unsigned n = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].process != process || now_ns - set[i].time_ns > WASTE_NS ||
		    !search_explains(&set[i].name, name))
			continue;
		set[i].process = 0;
		n++;
	}
	return n;
}
