/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that are followed from parent to child, when records are missing: unknown, never another's. */
#include "identity/who.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/json.h"
#include "tests/record.h"
#include "tests/test.h"

/* Of no process here: /proc is asked in vain. */
#define PARENT 4194400u
#define CHILD 4194401u

#define SERVICE 5
#define OTHER 6

static struct who *who;

static void observe(union record *r)
{
	struct event_view view = record_view(r);

	REQUIRE(view.desc, "a record that is refused");
	who_identifier(who)->observe(who_identifier(who), &view);
}

static void created(uint64_t id, const char *path)
{
	union record r;

	record_begin(&r, TAPIO_EV_CGROUP_CREATED);
	((struct tapio_cgroup_created *)&r)->id = id;
	record_tail(&r, &((struct tapio_cgroup_created *)&r)->path, path, strlen(path));
	observe(&r);
}

static void entered(uint32_t pid, uint64_t id, const char *path)
{
	struct tapio_cgroup_entered *e;
	union record r;

	record_begin(&r, TAPIO_EV_CGROUP_ENTERED);
	e = (void *)&r;
	e->id = id;
	e->pid = pid;
	if (path)
		record_tail(&r, &e->path, path, strlen(path));
	observe(&r);
}

static void forked(uint32_t child, uint32_t parent)
{
	union record r;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	r.ev.tgid = r.ev.tid = child;
	r.fork.parent_pid = parent;
	observe(&r);
}

/* What a record of the process is said to be about; "" if that is unknown. */
static const char *unit_of(unsigned type, uint32_t tgid, uint64_t cgroup_id)
{
	struct pollfd pfd = { .fd = who_fd(who), .events = POLLIN };
	const struct event_identity *ret = NULL;
	struct event_view view;
	union record r;

	record_begin(&r, type);
	r.ev.tgid = r.ev.tid = tgid;
	r.ev.cgroup_id = cgroup_id;
	observe(&r);
	view = record_view(&r);
	while (who_identifier(who)->identify(who_identifier(who), &view, &ret)) {
		poll(&pfd, 1, 5);
		who_answers(who);
	}
	return ret->unit ? ret->unit : "";
}

static void expect(unsigned type, uint32_t tgid, const char *unit)
{
	const char *is = unit_of(type, tgid, 0);

	CHECK(!strcmp(is, unit), "%s of %u is said to be of '%s', not '%s'", event_desc_by_type(type)->name, tgid, is,
	      unit);
}

/* Without a hierarchy ids are not told; then a path is what a cgroup is known by. */
static void setup(bool moves_unseen)
{
	const struct who_options o = { .cgroups_max = 16, .lineage = true, .classic_ids = true,
				       .moves_unseen = moves_unseen,
				       .render = json_identity, .resolver.host_root = "/nonexistent" };
	char why[256];

	who = who_open(&o, why, sizeof(why));
	REQUIRE(who && !who_start(who), "%s", why);
	created(SERVICE, "/system.slice/a.service");
	created(OTHER, "/system.slice/b.service");
	forked(PARENT, 1);
	entered(PARENT, SERVICE, "/system.slice/a.service");
	expect(TAPIO_EV_PROCESS_EXEC, PARENT, moves_unseen ? "" : "a.service");
}

TEST(unit, follow_from_parent_to_child)
{
	setup(false);
	forked(CHILD, PARENT);
	expect(TAPIO_EV_PROCESS_EXEC_FAILED, CHILD, "a.service");
	entered(CHILD, OTHER, "/system.slice/b.service");
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "b.service");
	expect(TAPIO_EV_PROCESS_EXIT, CHILD, "b.service");
	who_close(who);
}

/* The fork of the next process of that number was lost. */
TEST(unit, follow_a_number_that_is_used_again)
{
	setup(false);
	forked(CHILD, PARENT);
	expect(TAPIO_EV_PROCESS_EXIT, CHILD, "a.service");
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "");
	expect(TAPIO_EV_PROCESS_EXIT, PARENT, "a.service");
	forked(CHILD, PARENT);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "");
	who_close(who);
}

/* A move may have been among what was lost. */
TEST(unit, follow_after_a_loss)
{
	setup(false);
	forked(CHILD, PARENT);
	who_doubt(who);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "");
	forked(CHILD + 1, PARENT);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD + 1, "");
	forked(CHILD + 2, 1);
	entered(CHILD + 2, OTHER, "/system.slice/b.service");
	expect(TAPIO_EV_PROCESS_EXEC, CHILD + 2, "b.service");
	who_doubt(who);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD + 2, "");
	who_close(who);
}

TEST(unit, follow_moves_that_do_not_tell)
{
	setup(false);
	forked(CHILD, PARENT);
	entered(CHILD, OTHER, NULL);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "");
	who_close(who);
	/* none come at all */
	setup(true);
	forked(CHILD, PARENT);
	expect(TAPIO_EV_PROCESS_EXEC, CHILD, "");
	who_close(who);
}

/* /proc still knows those that live: here ourselves, who are in some cgroup. */
TEST(unit, follow_asks_proc_again)
{
	const struct event_identity *ret = NULL;
	struct pollfd pfd;
	union record r;
	struct event_view view;

	setup(false);
	pfd = (struct pollfd){ .fd = who_fd(who), .events = POLLIN };
	forked((uint32_t)getpid(), PARENT);
	entered((uint32_t)getpid(), SERVICE, "/system.slice/a.service");
	expect(TAPIO_EV_PROCESS_EXEC_FAILED, (uint32_t)getpid(), "a.service");
	for (unsigned i = 0; i < 40; i++) { /* a.service is forgotten */
		char path[64];

		snprintf(path, sizeof(path), "/system.slice/u%u.service", i);
		created(100 + i, path);
	}
	record_begin(&r, TAPIO_EV_PROCESS_EXEC);
	r.ev.tgid = r.ev.tid = (uint32_t)getpid();
	view = record_view(&r);
	/* Asked again while a thread that gets no CPU time makes the answer late. */
	for (unsigned i = 0; i < 500 && (!ret || !ret->cgroup_path); i++) {
		while (who_identifier(who)->identify(who_identifier(who), &view, &ret)) {
			poll(&pfd, 1, 5);
			who_answers(who);
		}
		if (!ret->cgroup_path)
			usleep(20000);
		who_answers(who);
	}
	CHECK(ret->cgroup_path && (!ret->unit || strcmp(ret->unit, "a.service")), "%s", ret->json);
	who_close(who);
}
