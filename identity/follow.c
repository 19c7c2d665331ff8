/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes whose records do not tell their cgroups, or in one hierarchy only: `abi` programs.
 *
 * Forks hand a place on, moves (cgroup.entered) change it, ends free it; a process that was missed
 * is looked up in /proc. So is each one again, when it is next heard of, once records were lost: one of
 * them may have told where it is now. Where a record has a v2 id, that goes before: a process can be
 * born into another cgroup than its parent's (CLONE_INTO_CGROUP, 5.7) without being moved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "identity/describe.h"
#include "identity/who_internal.h"

/* ---- how sure a place is ---- */

/* A group that was forgotten leaves its processes without a place, though they are in it. */
static bool is_lost(const struct who *w, struct group_ref ref)
{
	return ref.index && !groups_at(&w->groups, ref);
}

static bool is_sure(const struct who *w, const struct process *p)
{
	return p->doubts == w->lineage.doubts && !is_lost(w, p->place.v2) && !is_lost(w, p->place.legacy);
}

static void forget_place(const struct who *w, struct process *p)
{
	p->place = (struct place){ { 0, 0 }, { 0, 0 } };
	p->state = LINEAGE_UNKNOWN;
	p->doubts = w->lineage.doubts;
	p->moved = false;
	p->asked_ns = p->waiting_ns = 0;
}

static struct process *process_new(struct who *w, uint32_t tgid)
{
	struct process *p = lineage_add(&w->lineage, tgid);

	if (p)
		forget_place(w, p);
	return p;
}

/* ---- what records tell ---- */

/* The group of a path; entered if it was missed. Takes *path if it keeps it. */
static struct group_ref group_of_path(struct who *w, uint32_t hierarchy, uint64_t id, char **path)
{
	struct group *group;

	if (!*path || (w->ids && !id))
		return (struct group_ref){ 0, 0 };
	id = who_key(w, id, (struct bytes){ *path, strlen(*path) });
	group = groups_find(&w->groups, hierarchy, id);
	if (!group || !group->path || strcmp(group->path, *path)) {
		group = who_enter(w, hierarchy, id, *path);
		*path = NULL;
	}
	return groups_ref(&w->groups, group);
}

static void moved(struct who *w, const struct tapio_cgroup_entered *e)
{
	struct process *p = lineage_find(&w->lineage, e->pid);
	_cleanup_free_ char *path = NULL;
	struct group_ref ref;

	/* A thread that is moved alone (cgroup v1, threaded v2) takes nobody with it. */
	if (!p)
		return;
	if (!e->path.length || !is_sure(w, p))
		forget_place(w, p);
	if (!e->path.length)
		return;
	path = strndup((const char *)e + e->path.offset, e->path.length);
	if (who_path_is_cut(w, (struct bytes){ path, e->path.length }))
		ref = groups_ref(&w->groups, who_group(w, e->hierarchy, e->id));
	else
		ref = group_of_path(w, e->hierarchy, e->id, &path);
	if (e->hierarchy)
		p->place.legacy = ref;
	else
		p->place.v2 = ref;
	p->moved = true;
}

/* Whoever had the number before is not this one: the entry is made anew in any case. */
static void forked(struct who *w, uint32_t child, uint32_t parent_pid)
{
	const struct process *parent = lineage_find(&w->lineage, parent_pid);
	bool told = parent && !parent->ended && !w->options.moves_unseen && is_sure(w, parent);
	struct process before = told ? *parent : (struct process){ .state = LINEAGE_UNKNOWN };
	struct process *p = process_new(w, child);

	if (!p)
		return;
	p->place = before.place;
	p->state = before.state == LINEAGE_KNOWN ? LINEAGE_KNOWN : LINEAGE_UNKNOWN;
}

void follow_observe(struct who *w, const struct event_view *view)
{
	const struct tapio_process_fork *f = (const void *)view->ev;
	struct process *p;

	if (view->ev->type == TAPIO_EV_PROCESS_FORK)
		forked(w, f->ev.tgid, f->parent_pid);
	else if (view->ev->type == TAPIO_EV_CGROUP_ENTERED)
		moved(w, (const void *)view->ev);
	else if (view->ev->type == TAPIO_EV_PROCESS_EXIT)
		lineage_ended(&w->lineage, view->ev->tgid);
	else if (w->options.moves_unseen && view->ev->type == TAPIO_EV_PROCESS_EXEC &&
		 (p = lineage_find(&w->lineage, view->ev->tgid)))
		forget_place(w, p);
}

/* /proc tells of the process that has the number now: of one that has ended, nothing. */
static void ask_proc(struct who *w, struct process *p)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	/* A queue that is full: the next record asks again. */
	if (resolver_ask(w->resolver, &(struct question){ .kind = QUESTION_PROCESS, .pid = p->tgid, .id = now }))
		return;
	p->state = LINEAGE_ASKED;
	p->asked_ns = now;
}

/* Told by its own records meanwhile, which are younger than /proc's answer: these stay. */
static void settle(struct who *w, struct process *p, struct cgroup_paths *paths)
{
	if (!p->moved || !p->place.v2.index)
		p->place.v2 = group_of_path(w, 0, paths->v2_id, &paths->v2);
	if (!p->moved || !p->place.legacy.index)
		p->place.legacy = group_of_path(w, w->options.resolver.legacy_hierarchy, paths->legacy_id,
						&paths->legacy);
	p->state = LINEAGE_KNOWN;
}

void follow_enter(struct who *w, uint32_t tgid, struct cgroup_paths *paths)
{
	struct process *p = lineage_find(&w->lineage, tgid);

	if (p && p->state == LINEAGE_KNOWN)
		return;
	if (!p)
		p = process_new(w, tgid);
	if (p)
		settle(w, p, paths);
}

void follow_answer(struct who *w, struct answer *answer)
{
	struct process *p = lineage_find(&w->lineage, answer->question.pid);

	/* One to an older question may be about another process that had the number. */
	if (!p || p->state != LINEAGE_ASKED || p->asked_ns != answer->question.id)
		return;
	if (p->doubts != w->lineage.doubts)
		forget_place(w, p);
	else if (answer->err)
		p->state = LINEAGE_UNKNOWN;
	else
		settle(w, p, &answer->paths);
}

/*
 * The process that a record is about. After the end of one, its number is another's, whose fork was
 * lost.
 */
static struct process *process_of(struct who *w, const struct tapio_event *ev)
{
	struct process *p = lineage_find(&w->lineage, ev->tgid);

	if (!p || (p->ended && ev->type != TAPIO_EV_PROCESS_EXIT))
		p = process_new(w, ev->tgid);
	if (p && p->state != LINEAGE_ASKED && !is_sure(w, p))
		forget_place(w, p);
	return p;
}

int follow_identify(struct who *w, const struct event_view *view, struct group **ret_v2,
		    struct group **ret_legacy)
{
	struct process *p = process_of(w, view->ev);
	struct group *v2;

	if (p && p->state == LINEAGE_UNKNOWN && !p->asked_ns && !p->ended && w->proc)
		ask_proc(w, p);
	if (p && p->state == LINEAGE_ASKED && who_may_wait(w, &p->waiting_ns))
		return -EAGAIN;
	v2 = w->ids ? who_group(w, 0, view->ev->cgroup_id) : NULL; /* first: it may take another's place */
	*ret_v2 = v2 || !p ? v2 : groups_at(&w->groups, p->place.v2);
	*ret_legacy = p ? groups_at(&w->groups, p->place.legacy) : NULL;
	/* Runtimes put containers into v1 where there is one: then v2 may say less than the truth. */
	if (w->options.resolver.legacy_mount && !*ret_legacy && group_rank(*ret_v2) != RANK_WORKLOAD)
		*ret_v2 = NULL;
	return 0;
}
