/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of cgroups and of processes: bounded, and never an answer about somebody else. */
#include "identity/groups.h"
#include "identity/lineage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/test.h"

static unsigned forgotten;

static void forget(struct group *group, void *arg)
{
	(void)arg;
	forgotten++;
	free(group->path);
	group->path = NULL;
}

static struct group *add(struct groups *g, uint32_t hierarchy, uint64_t id)
{
	struct group *group = groups_add(g, hierarchy, id);
	char path[64];

	snprintf(path, sizeof(path), "/%u/%llu", hierarchy, (unsigned long long)id);
	group->path = strdup(path);
	return group;
}

static bool is(const struct group *group, uint32_t hierarchy, uint64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "/%u/%llu", hierarchy, (unsigned long long)id);
	return group && group->path && !strcmp(group->path, path) && group->id == id &&
	       group->hierarchy == hierarchy;
}

TEST(unit, groups_find_what_was_added)
{
	struct groups g;

	REQUIRE(!groups_open(&g, 1000, forget, NULL), "no memory");
	for (uint64_t id = 1; id <= 500; id++) {
		add(&g, 0, id);
		add(&g, 8, id);
	}
	for (uint64_t id = 1; id <= 500; id++)
		CHECK(is(groups_find(&g, 0, id), 0, id) && is(groups_find(&g, 8, id), 8, id), "id %llu",
		      (unsigned long long)id);
	CHECK(!groups_find(&g, 7, 1) && !groups_find(&g, 0, 501) && !groups_find(&g, 0, 0), "found what is not there");
	CHECK(g.living == 1000 && !g.removed && !g.evicted && !g.evicted_removed, "%u living", g.living);
	groups_close(&g);
	CHECK(forgotten == 1000, "%u forgotten", forgotten);
}

TEST(unit, groups_dead_go_first)
{
	struct groups g;

	REQUIRE(!groups_open(&g, 16, forget, NULL), "no memory");
	for (uint64_t id = 1; id <= 16; id++)
		add(&g, 0, id);
	groups_remove(&g, groups_find(&g, 0, 9));
	groups_remove(&g, groups_find(&g, 0, 3));
	CHECK(is(groups_find(&g, 0, 9), 0, 9), "a tombstone is not found");
	add(&g, 0, 17);
	CHECK(!groups_find(&g, 0, 9) && groups_find(&g, 0, 3), "the longest dead did not go");
	add(&g, 0, 18);
	CHECK(!groups_find(&g, 0, 3) && g.evicted_removed == 2 && !g.evicted, "the other did not go");
	groups_find(&g, 0, 1); /* asked for last: not to go */
	add(&g, 0, 19);
	CHECK(groups_find(&g, 0, 1) && !groups_find(&g, 0, 2) && g.evicted == 1, "the wrong one of the living went");
	groups_close(&g);
}

TEST(unit, groups_references_do_not_outlive)
{
	struct groups g;
	struct group_ref ref, again;

	REQUIRE(!groups_open(&g, 16, forget, NULL), "no memory");
	ref = groups_ref(&g, add(&g, 0, 5));
	CHECK(is(groups_at(&g, ref), 0, 5), "not found by reference");
	/* the id is used again: another cgroup */
	again = groups_ref(&g, add(&g, 0, 5));
	CHECK(!groups_at(&g, ref) && is(groups_at(&g, again), 0, 5), "the old reference finds the new group");
	for (uint64_t id = 100; id < 200; id++)
		add(&g, 0, id);
	CHECK(!groups_at(&g, again) && !groups_at(&g, (struct group_ref){ 0, 0 }), "a reference to an evicted group");
	groups_close(&g);
}

/* Against a model that cannot be wrong. */
TEST(unit, groups_random)
{
	static unsigned char state[2][64]; /* 0: unknown or evicted, 1: added, 2: removed */
	struct groups g;
	unsigned added = 0;

	srand(7);
	forgotten = 0;
	REQUIRE(!groups_open(&g, 48, forget, NULL), "no memory");
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t hierarchy = rand() % 2, id = 1 + rand() % 63;
		struct group *group = groups_find(&g, hierarchy, id);

		CHECK(!group || (is(group, hierarchy, id) && group->removed == (state[hierarchy][id] == 2)),
		      "step %u: %u/%u", i, hierarchy, id);
		switch (rand() % 4) {
		case 0:
			add(&g, hierarchy, id);
			added++;
			state[hierarchy][id] = 1;
			break;
		case 1:
			if (group)
				groups_remove(&g, group);
			state[hierarchy][id] = 2;
			break;
		case 2:
			if (group && rand() % 16 == 0)
				groups_evict_other(&g, group);
			break;
		}
		CHECK(g.living + g.removed <= 48, "%u and %u", g.living, g.removed);
		test_stop_if_failed();
	}
	groups_close(&g);
	CHECK(forgotten == added, "%u added, %u forgotten", added, forgotten);
}

TEST(unit, lineage_numbers_are_used_again)
{
	struct lineage l;
	struct process *p;

	REQUIRE(!lineage_open(&l), "no memory");
	p = lineage_add(&l, 7);
	p->place.v2.index = 3;
	lineage_ended(&l, 7);
	CHECK(lineage_find(&l, 7) && lineage_find(&l, 7)->place.v2.index == 3, "its last record finds no place");
	p = lineage_add(&l, 7);
	CHECK(!p->place.v2.index && !p->ended, "the new process has the old one's place");
	lineage_close(&l);
}

TEST(unit, lineage_is_bounded)
{
	struct lineage l;

	REQUIRE(!lineage_open(&l), "no memory");
	for (uint32_t pid = 1; pid <= LINEAGE_MAX; pid++)
		REQUIRE(lineage_add(&l, pid), "process %u", pid);
	CHECK(!lineage_add(&l, LINEAGE_MAX + 1) && l.refused == 1, "more than there is room for");
	lineage_ended(&l, 77);
	lineage_ended(&l, 5);
	lineage_ended(&l, 77);
	CHECK(lineage_add(&l, 77), "the same number");
	CHECK(lineage_add(&l, LINEAGE_MAX + 1) && !lineage_find(&l, 5) && lineage_find(&l, 77),
	      "the place of one that ended, not of one that lives again");
	CHECK(!lineage_add(&l, LINEAGE_MAX + 2) && l.refused == 2, "room that is not there");
	lineage_ended(&l, 77);
	CHECK(lineage_add(&l, LINEAGE_MAX + 2) && !lineage_find(&l, 77), "the place of one that ended twice");
	lineage_close(&l);
}
