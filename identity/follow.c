/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes whose records do not tell their cgroups, or in one hierarchy only: `abi` programs.
 *
 * Forks hand a place on, moves (cgroup.entered) change it, ends free it; a process that was missed
 * is looked up in /proc. Where a record has a v2 id that the table knows, that goes before: a process
 * can be born into another cgroup than its parent's (CLONE_INTO_CGROUP, 5.7) without being moved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/who_internal.h"

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
	if (!p || !e->path.length)
		return;
	path = strndup((const char *)e + e->path.offset, e->path.length);
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
	struct process before = parent ? *parent : (struct process){ .state = LINEAGE_UNKNOWN };
	struct process *p = lineage_add(&w->lineage, child);

	if (!p)
		return;
	p->place = before.place;
	p->state = before.state == LINEAGE_KNOWN ? LINEAGE_KNOWN : LINEAGE_UNKNOWN;
}

void follow_observe(struct who *w, const struct event_view *view)
{
	const struct tapio_process_fork *f = (const void *)view->ev;

	if (view->ev->type == TAPIO_EV_PROCESS_FORK)
		forked(w, f->ev.tgid, f->parent_pid);
	else if (view->ev->type == TAPIO_EV_CGROUP_ENTERED)
		moved(w, (const void *)view->ev);
	else if (view->ev->type == TAPIO_EV_PROCESS_EXIT)
		lineage_ended(&w->lineage, view->ev->tgid);
}

/* /proc tells of the process that has the number now: of one that has ended, nothing. */
static void ask_proc(struct who *w, struct process *p)
{
	if (!resolver_ask(w->resolver, &(struct question){ .kind = QUESTION_PROCESS, .pid = p->tgid }))
		p->state = LINEAGE_ASKED;
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
		p = lineage_add(&w->lineage, tgid);
	if (p)
		settle(w, p, paths);
}

void follow_answer(struct who *w, struct answer *answer)
{
	struct process *p = lineage_find(&w->lineage, answer->question.pid);

	if (!p || p->state != LINEAGE_ASKED)
		return;
	p->missing = answer->err;
	if (answer->err)
		p->state = LINEAGE_UNKNOWN;
	else
		settle(w, p, &answer->paths);
}

int follow_identify(struct who *w, const struct event_view *view, struct group **ret_v2,
		    struct group **ret_legacy)
{
	struct process *p = lineage_find(&w->lineage, view->ev->tgid);
	struct group *v2;

	if (!p) {
		p = lineage_add(&w->lineage, view->ev->tgid);
		if (!p)
			return 0;
		p->state = LINEAGE_UNKNOWN;
	}
	if (p->state == LINEAGE_UNKNOWN && !p->missing && !p->ended)
		ask_proc(w, p);
	if (p->state == LINEAGE_ASKED && who_may_wait(w, &p->waiting_ns))
		return -EAGAIN;
	*ret_v2 = groups_at(&w->groups, p->place.v2);
	*ret_legacy = groups_at(&w->groups, p->place.legacy);
	v2 = w->ids && view->ev->cgroup_id ? groups_find(&w->groups, 0, view->ev->cgroup_id) : NULL;
	if (v2)
		*ret_v2 = v2;
	return 0;
}
