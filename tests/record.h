/* SPDX-License-Identifier: Apache-2.0 */
/* Records built in memory, for tests that need no kernel. */
#ifndef TESTS_RECORD_H
#define TESTS_RECORD_H

#include <string.h>
#include "event/view.h"

union record {
	struct tapio_event ev;
	struct tapio_lost lost;
	struct tapio_process_exec exec;
	struct tapio_process_exec_failed exec_failed;
	struct tapio_process_exit exit;
	struct tapio_process_fork fork;
	char bytes[TAPIO_RECORD_MAX];
};

#define TEST_WALL_NS 1772368496123456789ull      /* 2026-03-01T12:34:56.123456789Z */
#define TEST_BOOT_TO_WALL_NS 1772363496123456789ll /* booted 5000 s before */

/* An empty record of that type: of process 4242, called "init-test". */
static inline void record_begin(union record *r, unsigned type)
{
	unsigned size = event_desc_of_record(type)->size;

	memset(r, 0, size);
	r->ev.type = (__u16)type;
	r->ev.size = size;
	r->ev.tgid = r->ev.tid = 4242;
	memcpy(r->ev.comm, "init-test", 9);
}

/* Appends n bytes to the tail and lets a struct tapio_str, _strv or _path refer to them. */
static inline void record_tail(union record *r, void *ref, const void *data, size_t n)
{
	struct tapio_str str = { .offset = (__u16)r->ev.size, .length = (__u16)n };

	memcpy(r->bytes + r->ev.size, data, n);
	memcpy(ref, &str, sizeof(str));
	r->ev.size += (__u32)n;
}

/* The bytes of a string literal; without the NUL that C adds. */
#define RECORD_TAIL(r, ref, literal) record_tail(r, ref, literal, sizeof(literal) - 1)

/* As pipeline/ would pass it; desc is NULL if the record is refused. */
static inline struct event_view record_view(const union record *r)
{
	struct event_view view = { .ev = &r->ev, .wall_ns = TEST_WALL_NS,
				   .boot_to_wall_ns = TEST_BOOT_TO_WALL_NS };

	if (event_check(r, r->ev.size, &view.desc))
		view.desc = NULL;
	return view;
}

#endif
