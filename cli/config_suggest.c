/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_suggest.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 48 /* longer words get no suggestion */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned min = a < b ? a : b;

	return min < c ? min : c;
}

/* Letters to add, drop, change or swap with their neighbour. Both words are at most WORD_MAX long. */
static unsigned distance_of(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
	unsigned n = (unsigned)strlen(a), m = (unsigned)strlen(b);

	for (unsigned k = 0; k <= m; k++)
		last[k] = k;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *oldest = before;

		row[0] = i;
		for (unsigned k = 1; k <= m; k++) {
			row[k] = least(last[k] + 1, row[k - 1] + 1, last[k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				row[k] = least(row[k], before[k - 2] + 1, row[k]);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[m];
}

void suggest_from(struct suggestion *s, const char *candidate)
{
	size_t n = strlen(s->wrong), m = strlen(candidate), longer = n > m ? n : m;
	unsigned distance;

	if (longer > WORD_MAX)
		return;
	distance = distance_of(s->wrong, candidate);
	if (distance > (longer < 4 ? 1 : longer / 3) || (s->best && distance >= s->distance))
		return;
	s->best = candidate;
	s->distance = distance;
}

const char *suggest_text(const struct suggestion *s, char *ret, unsigned size)
{
	ret[0] = '\0';
	if (s->best)
		snprintf(ret, size, " did you mean '%s'?", s->best);
	return ret;
}
