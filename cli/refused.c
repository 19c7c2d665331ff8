/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/refused.h"

#include <stdio.h>
#include <string.h>

static void copy(char *to, const char *from)
{
	snprintf(to, REFUSED_NAME_MAX, "%s", from ? from : "");
}

static struct refused_row *row_of(struct refused *r, const struct refused_row *wanted)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->rows[i].sensor == wanted->sensor && !strcmp(r->rows[i].pod, wanted->pod) &&
		    !strcmp(r->rows[i].namespace_name, wanted->namespace_name) && !strcmp(r->rows[i].unit, wanted->unit))
			return &r->rows[i];
	if (r->n == REFUSED_MAX)
		return NULL;
	r->rows[r->n] = *wanted;
	return &r->rows[r->n++];
}

void refused_add(struct refused *r, unsigned sensor, const struct event_identity *who, uint64_t count)
{
	struct refused_row wanted = { .sensor = sensor }, *row = NULL;

	if (who) {
		copy(wanted.namespace_name, who->pod_namespace);
		copy(wanted.pod, who->pod_name);
		copy(wanted.unit, who->pod_name ? NULL : who->unit);
	}
	if (wanted.pod[0] || wanted.unit[0])
		row = row_of(r, &wanted);
	*(row ? &row->count : &r->others) += count;
}
