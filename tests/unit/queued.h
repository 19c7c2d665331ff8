/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered events, and what arrived of them: for the tests of sinks with a queue. */
#ifndef TESTS_UNIT_QUEUED_H
#define TESTS_UNIT_QUEUED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/queued.h"
#include "tests/record.h"
#include "tests/strict.h"
#include "tests/test.h"

/* A process.fork whose vpid is the number (not 0) and whose time grows with it. */
static inline int give_event(struct event_sink *sink, uint32_t number)
{
	static union record r;
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.fork.vpid = number;
	view = record_view(&r);
	view.wall_ns += number;
	return sink->write(sink, &view);
}

/* What lines of JSON say in sum. */
struct arrived {
	uint64_t events, last;     /* events, and the number of the last one */
	uint64_t lost[2];          /* sums of tapio.lost: sink_full, sink_failed */
	uint64_t lost_lines, broken; /* broken: no line of JSON */
};

static inline uint64_t arrived_number(const char *line, const char *end, const char *key)
{
	const char *at = memmem(line, (size_t)(end - line), key, strlen(key));

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static inline void arrived_line(struct arrived *a, const char *line, const char *end)
{
	uint64_t number = arrived_number(line, end, "\"process.vpid\":");
	uint64_t count = arrived_number(line, end, "\"tapio.lost.count\":");

	if (end - line < 30 || line[0] != '{' || end[-2] != '}' || !(number || count)) {
		a->broken++;
		return;
	}
	if (count) {
		a->lost[memmem(line, (size_t)(end - line), "\"sink_failed\"", 13) != NULL] += count;
		a->lost_lines++;
		return;
	}
	CHECK(number > a->last, "%llu after %llu", (unsigned long long)number, (unsigned long long)a->last);
	a->last = number;
	a->events++;
}

static inline void arrived_lines(struct arrived *a, const char *data, size_t n)
{
	const char *end = data + n, *next;

	for (; data < end; data = next) {
		next = memchr(data, '\n', (size_t)(end - data));
		if (!next) {
			a->broken++;
			return;
		}
		arrived_line(a, data, ++next);
	}
}

static inline void arrived_file(struct arrived *a, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return;
	for (ssize_t n; (n = getline(&line, &room, f)) > 0;)
		arrived_lines(a, line, (size_t)n);
	free(line);
	fclose(f);
}

static inline struct sink_stats stats_of(const struct event_sink *sink)
{
	struct sink_stats stats = { 0 };

	sink->stats(sink, &stats);
	return stats;
}

static inline uint64_t stats_sum(const struct sink_stats *s)
{
	return s->events + s->dropped[SINK_DROP_QUEUE_FULL] + s->dropped[SINK_DROP_FAILED] + s->queue_events;
}

#endif
