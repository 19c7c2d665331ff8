/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the line that a client of the agent's socket sends. What is taken must be inside its
 * bounds, must match or not match without harm, and must mean the same when it is written again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "event/identity.h"
#include "export/stream_request.h"
#include "tests/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[STREAM_KEYS] = {
	[STREAM_NAMESPACE] = "namespace", [STREAM_POD] = "pod", [STREAM_CONTAINER] = "container", [STREAM_UNIT] = "unit",
};
static char why[256];

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, why);
	abort();
}

static void check_values(const struct stream_request *r)
{
	for (unsigned k = 0; k < STREAM_KEYS; k++) {
		require(r->nvalues[k] <= STREAM_VALUES_MAX, "more values than there is room for");
		for (unsigned i = 0; i < r->nvalues[k]; i++)
			require(*r->values[k][i] && r->values[k][i] > r->line &&
				r->values[k][i] + strlen(r->values[k][i]) < r->line + sizeof(r->line), "a value out of its line");
	}
}

/* An event of whom the last value of each key names must match, if it is one that is wanted. */
static void check_matches(const struct stream_request *r)
{
	static union record record;
	struct event_identity who = { 0 };
	struct event_view view;
	const char *pod = r->nvalues[STREAM_POD] ? r->values[STREAM_POD][r->nvalues[STREAM_POD] - 1] : NULL;
	char namespace_name[STREAM_LINE_MAX + 1];
	bool wanted, same = true;

	record_begin(&record, TAPIO_EV_PROCESS_EXIT);
	view = record_view(&record);
	stream_request_matches(r, &view); /* of nobody */
	view.who = &who;
	stream_request_matches(r, &view); /* of nobody in particular */
	if (pod) {
		snprintf(namespace_name, sizeof(namespace_name), "%.*s", (int)strcspn(pod, "/"), pod);
		who.pod_namespace = namespace_name;
		who.pod_name = strchr(pod, '/') + 1;
	}
	if (r->nvalues[STREAM_NAMESPACE] && !pod)
		who.pod_namespace = r->values[STREAM_NAMESPACE][0];
	else if (r->nvalues[STREAM_NAMESPACE])
		same = !strcmp(namespace_name, r->values[STREAM_NAMESPACE][0]);
	if (r->nvalues[STREAM_CONTAINER])
		who.container_name = r->values[STREAM_CONTAINER][r->nvalues[STREAM_CONTAINER] - 1];
	if (r->nvalues[STREAM_UNIT])
		who.user_unit = r->values[STREAM_UNIT][r->nvalues[STREAM_UNIT] - 1];
	wanted = !r->events || (r->events >> TAPIO_EV_PROCESS_EXIT & 1);
	if (same)
		require(stream_request_matches(r, &view) == wanted, "who is named does not match");
}

static void check_again(const struct stream_request *r)
{
	static struct stream_request again;
	struct buf line = BUF_INIT(1 << 20);

	buf_adds(&line, "events");
	for (unsigned k = 0; k < STREAM_KEYS; k++)
		for (unsigned i = 0; i < r->nvalues[k]; i++)
			stream_request_add(&line, keys[k], r->values[k][i]);
	if (line.length <= STREAM_LINE_MAX) {
		require(!stream_request_parse(&again, line.data, line.length, why, sizeof(why)), "written again it is refused");
		for (unsigned k = 0; k < STREAM_KEYS; k++) {
			require(again.nvalues[k] == r->nvalues[k], "written again it has other values");
			for (unsigned i = 0; i < r->nvalues[k]; i++)
				require(!strcmp(again.values[k][i], r->values[k][i]), "written again a value is another");
		}
	}
	buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream_request r;

	why[0] = '\0';
	if (stream_request_parse(&r, (const char *)data, size, why, sizeof(why))) {
		require(why[0], "refused without a word");
		return 0;
	}
	check_values(&r);
	if (r.status)
		return 0;
	check_matches(&r);
	check_again(&r);
	return 0;
}
