/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes events of records: packets become lookups. Made by correlate/, called by pipeline/ on the thread that reads
 * the rings, for each record of the types that it takes, in the order of their time.
 */
#ifndef EVENT_CORRELATOR_H
#define EVENT_CORRELATOR_H

#include "event/view.h"

struct correlator {
	uint64_t takes; /* bit of each type of record */
	void (*take)(struct correlator *c, const struct event_view *view);
	/* All that happened before was given; in ns of the boot clock, as all times here. */
	void (*advance)(struct correlator *c, uint64_t now_ns);
	/* When advance will have something to do; 0: not before the next record. */
	uint64_t (*due)(const struct correlator *c);
	/* Records were lost, of processes of one cgroup, NULL: of any: what was not seen may have happened all the same. */
	void (*doubt)(struct correlator *c, const struct tapio_cgroup_key *whose, uint64_t now_ns);
	/* What it had no room for and forgot, so far. */
	uint64_t (*refused)(const struct correlator *c);
	void (*close)(struct correlator *c);
	/* Set by its owner: is given each event, which it borrows. */
	void (*made)(void *arg, const struct tapio_event *ev);
	void *arg;
};

#endif
