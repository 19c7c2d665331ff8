/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup that was made or removed, told to the one who names. */
#ifndef TESTS_UNIT_CGROUP_RECORD_H
#define TESTS_UNIT_CGROUP_RECORD_H

#include <string.h>

#include "identity/who.h"
#include "tests/record.h"
#include "tests/test.h"

static inline void observe_cgroup(struct who *who, unsigned type, uint32_t hierarchy, uint64_t id, const char *path)
{
	union record r;
	struct tapio_cgroup_created *c = (void *)&r;
	struct event_view view;

	record_begin(&r, type);
	c->id = id;
	c->hierarchy = hierarchy;
	record_tail(&r, &c->path, path, strlen(path));
	view = record_view(&r);
	REQUIRE(view.desc, "a record that is refused");
	who_identifier(who)->observe(who_identifier(who), &view);
}

#endif
