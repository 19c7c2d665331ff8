/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/who.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/host.h"
#include "identity/describe.h"
#include "identity/who_internal.h"

/* ---- names ---- */

/* Names take memory that whoever makes cgroups chooses: the sum is bounded, others go for it. */
static void charge(struct who *w, struct group *group, size_t bytes)
{
	w->bytes += bytes - group->bytes;
	group->bytes = bytes;
	while (w->bytes > w->max_bytes && groups_evict_other(&w->groups, group))
		;
}

static void describe(struct who *w, struct group *group, enum identity_reason reason)
{
	charge(w, group, group_describe(group, reason, w->options.render));
}

/* What a path says of containers; and, if it is one container's word about another, that word. */
static void ask_names(const struct group *group, struct question *q)
{
	const struct bytes id = group->parsed.container_id;
	struct cgroup_path claim;

	memcpy(q->container_id, id.data, id.length < sizeof(q->container_id) ? id.length : 0);
	memcpy(q->pod_uid, group->parsed.pod_uid, sizeof(q->pod_uid));
	if (!group->claims)
		return;
	cgroup_path_parse(group->path, strlen(group->path), &claim);
	memcpy(q->claimed_id, claim.container_id.data,
	       claim.container_id.length < sizeof(q->claimed_id) ? claim.container_id.length : 0);
	memcpy(q->claimed_uid, claim.pod_uid, sizeof(q->claimed_uid));
}

static void ask(struct who *w, struct group *group, enum question_kind kind, uint64_t delay_ns)
{
	struct question q = { .kind = kind, .group = groups_ref(&w->groups, group), .id = group->id,
			      .hierarchy = group->hierarchy };

	if (kind == QUESTION_WORKLOAD)
		ask_names(group, &q);
	if (delay_ns)
		q.due_ns = clock_ns(CLOCK_MONOTONIC) + delay_ns;
	else
		group->asked = true;
	/* A queue that is full is as good as a resolver that is late; who needs it asks again. */
	if (resolver_ask(w->resolver, &q) && !delay_ns)
		group->asked = false;
}

/*
 * A group's path is known. Names of what runs in it are asked for at once: a runtime writes its state
 * before it makes the cgroup, so the answer is there before the first record.
 */
void who_name(struct who *w, struct group *group, char *path)
{
	group->path = path;
	cgroup_path_parse(path, strlen(path), &group->parsed);
	group->claims = group->parsed.depth;
	if (group->claims) /* until it has been looked at */
		cgroup_path_parse_outermost(path, strlen(path), &group->parsed);
	if ((!group_has_workload(group) && !group->claims) || group->parsed.by_user) {
		group->state = GROUP_SETTLED;
		describe(w, group, group_has_workload(group) ? IDENTITY_NO_STATE : IDENTITY_KNOWN);
		return;
	}
	group->state = GROUP_ASKED;
	describe(w, group, IDENTITY_LATE);
	ask(w, group, QUESTION_WORKLOAD, 0);
}

struct group *who_enter(struct who *w, uint32_t hierarchy, uint64_t id, char *path)
{
	struct group *group = groups_add(&w->groups, hierarchy, id);

	who_name(w, group, path);
	return group;
}

/* What was told without names is told again. */
static void tell(struct who *w, struct group *group)
{
	if (group->told_unknown && w->options.known)
		w->options.known(w->options.arg, &group->who, &group->told);
	group->told_unknown = false;
}

static void forget(struct group *group, void *arg)
{
	struct who *w = arg;

	w->bytes -= group->bytes;
	group_forget(group);
}

/* ---- answers ---- */

static enum identity_reason why_no_path(const struct who *w, int err)
{
	if (err != -ESTALE)
		return IDENTITY_HIDDEN;
	return w->groups.evicted_removed ? IDENTITY_EVICTED : IDENTITY_GONE;
}

static void answer_path(struct who *w, struct group *group, struct answer *a)
{
	if (group->state != GROUP_NAMELESS)
		return; /* its creation was seen meanwhile */
	if (a->err) {
		group->state = GROUP_SETTLED;
		describe(w, group, why_no_path(w, a->err));
		return;
	}
	w->missed++;
	who_name(w, group, a->paths.v2);
	a->paths.v2 = NULL;
}

/* Whether the state that was found says what is to be known of such a cgroup. */
static bool tells_names(const struct group *group)
{
	const struct workload *w = &group->workload;

	if (group->parsed.pod_uid[0] || w->pod_uid)
		return w->pod_name;
	return w->container_name || w->image;
}

/* Runtimes write their state before they make the cgroup; if one does not, it is asked for some more times. */
static void ask_again(struct who *w, struct group *group)
{
	uint64_t delay = 50 * NS_PER_MS;

	for (unsigned i = 0; i < group->tries; i++)
		delay *= 4;
	if (group->tries++ < WHO_TRIES && !group->removed)
		ask(w, group, QUESTION_WORKLOAD, delay);
}

static void answer_workload(struct who *w, struct group *group, struct answer *a)
{
	bool names;

	workload_free(&group->workload);
	group->workload = a->workload;
	memset(&a->workload, 0, sizeof(a->workload));
	group->state = GROUP_SETTLED;
	if (a->claim_is_true)
		cgroup_path_parse(group->path, strlen(group->path), &group->parsed);
	names = tells_names(group);
	describe(w, group, names ? IDENTITY_KNOWN : IDENTITY_NO_STATE);
	if (names)
		tell(w, group);
	else if (a->err != -ESTALE)
		ask_again(w, group);
}

void who_answers(struct who *w)
{
	struct answer a;

	while (resolver_take(w->resolver, &a)) {
		struct group *group = groups_at(&w->groups, a.question.group);

		w->slow = false;
		if (a.question.kind == QUESTION_PROCESS)
			follow_answer(w, &a);
		else if (group && a.question.kind == QUESTION_PATH)
			answer_path(w, group, &a);
		else if (group)
			answer_workload(w, group, &a);
		cgroup_paths_free(&a.paths);
		workload_free(&a.workload);
	}
}

/* ---- records ---- */

/* A cgroup whose creation was not seen, or not in full, by its id. */
static struct group *look_up(struct who *w, uint32_t hierarchy, uint64_t id)
{
	struct group *group = groups_add(&w->groups, hierarchy, id);

	describe(w, group, IDENTITY_LATE);
	ask(w, group, QUESTION_PATH, 0);
	return group;
}

/* TRACE_CGROUP_PATH_LEN: tracepoints of cgroups, and these alone, leave the end of longer paths out. */
#define TRACED_PATH_MAX 1023

bool who_path_is_cut(const struct who *w, struct bytes path)
{
	return w->ids && path.length >= TRACED_PATH_MAX;
}

static void observe(struct identifier *identifier, const struct event_view *view)
{
	struct who *w = (struct who *)identifier;
	const struct tapio_cgroup_created *c = (const void *)view->ev;
	struct group *group;
	struct bytes path;
	char *copy;

	if (w->options.lineage)
		follow_observe(w, view);
	if (view->ev->type != TAPIO_EV_CGROUP_CREATED && view->ev->type != TAPIO_EV_CGROUP_REMOVED &&
	    view->ev->type != TAPIO_EV_CGROUP_RENAMED)
		return;
	path = (struct bytes){ (const char *)view->ev + c->path.offset, c->path.length };
	if (!path.length)
		return;
	if (view->ev->type == TAPIO_EV_CGROUP_REMOVED) {
		group = groups_find(&w->groups, c->hierarchy, who_key(w, c->id, path));
		if (group)
			groups_remove(&w->groups, group);
		return;
	}
	if (who_path_is_cut(w, path)) {
		look_up(w, c->hierarchy, c->id);
		return;
	}
	copy = strndup(path.data, path.length);
	if (copy)
		who_enter(w, c->hierarchy, who_key(w, c->id, path), copy);
}

struct group *who_group(struct who *w, uint32_t hierarchy, uint64_t id)
{
	struct group *group;

	if (!id)
		return NULL;
	group = groups_find(&w->groups, hierarchy, id);
	return group ? group : look_up(w, hierarchy, id);
}

/*
 * Whether a record should wait, for what it needs since *waiting_ns (0: it is the first that does). One
 * wait that was in vain ends all others until the resolver shows that it lives; and all together have
 * a budget.
 */
bool who_may_wait(struct who *w, uint64_t *waiting_ns)
{
	uint64_t now, repay;

	if (w->slow || w->hurry)
		return false;
	now = clock_ns(CLOCK_MONOTONIC);
	repay = (now - w->repaid_ns) / WHO_WAIT_SHARE;
	w->waited_ns -= repay < w->waited_ns ? repay : w->waited_ns;
	w->repaid_ns = now;
	if (w->waited_ns >= WHO_WAIT_BURST_NS)
		return false;
	if (!*waiting_ns)
		*waiting_ns = now;
	w->slow = now - *waiting_ns >= WHO_WAIT_NS;
	if (!w->slow)
		w->wait_ns = now;
	return !w->slow;
}

/* A record comes: if one has waited, this is how long. */
static void end_wait(struct who *w)
{
	if (w->wait_ns)
		w->waited_ns += clock_ns(CLOCK_MONOTONIC) - w->wait_ns;
	w->wait_ns = 0;
}

/* Whether its answer is worth waiting for. A question that found no room is asked again. */
static bool is_awaited(struct who *w, struct group *group)
{
	if (!group || group->state == GROUP_SETTLED)
		return false;
	if (!group->asked)
		ask(w, group, group->state == GROUP_NAMELESS ? QUESTION_PATH : QUESTION_WORKLOAD, 0);
	else if (!group->waiting_ns && !w->slow)
		resolver_hurry(w->resolver, groups_ref(&w->groups, group));
	return group->asked && who_may_wait(w, &group->waiting_ns);
}

static int answer_with(struct who *w, const struct tapio_cgroup_key *key, struct group *group,
		       const struct event_identity **ret)
{
	static const struct event_identity no_cgroup = { .reason = IDENTITY_NO_CGROUP };

	w->identified++;
	*ret = group ? &group->who : w->no_cgroup.json ? &w->no_cgroup : &no_cgroup;
	if ((*ret)->reason) {
		w->unknown[(*ret)->reason]++;
		w->late += (*ret)->reason == IDENTITY_LATE;
		if (group) {
			group->told_unknown = true;
			group->told = *key;
		}
	}
	return 0;
}

/*
 * The more telling of the two. Where there is v1 every runtime puts its containers there, and some there
 * alone: as long as that place is not known, a host's unit in v2 is no answer.
 */
static struct group *choose(struct group *v2, struct group *legacy)
{
	if (group_rank(v2) == RANK_WORKLOAD || !legacy)
		return v2;
	if (!legacy->path || group_rank(legacy) > group_rank(v2) || !v2 || !v2->path)
		return legacy;
	return v2;
}

/* Where v1 is mounted nowhere that we see, a place there that no record told is no reason not to answer. */
static struct group *known_legacy(const struct who *w, struct group *legacy)
{
	bool lost = legacy && !legacy->path && legacy->state == GROUP_SETTLED;

	return lost && !w->options.resolver.legacy_mount ? NULL : legacy;
}

static int identify(struct identifier *identifier, const struct event_view *view,
		    const struct event_identity **ret)
{
	struct who *w = (struct who *)identifier;
	const struct tapio_cgroup_key key = { view->ev->cgroup_id, view->ev->legacy_cgroup_id };
	struct group *v2 = NULL, *legacy = NULL;
	struct group_ref ref;

	end_wait(w);
	if (w->options.lineage) {
		if (follow_identify(w, view, &v2, &legacy))
			return -EAGAIN;
	} else {
		/* To remember the one, the other may have had to go. */
		ref = groups_ref(&w->groups, who_group(w, 0, key.id));
		legacy = who_group(w, w->options.resolver.legacy_hierarchy, key.legacy_id);
		v2 = groups_at(&w->groups, ref);
	}
	if (is_awaited(w, v2) || is_awaited(w, legacy))
		return -EAGAIN;
	return answer_with(w, &key, choose(v2, known_legacy(w, legacy)), ret);
}

static int identify_now(struct identifier *identifier, const struct event_view *view,
			const struct event_identity **ret)
{
	struct who *w = (struct who *)identifier;
	int err;

	w->hurry = true;
	err = identify(identifier, view, ret);
	w->hurry = false;
	return err;
}

const struct event_identity *who_find(struct who *w, const struct tapio_cgroup_key *key)
{
	struct group *v2 = key->id ? groups_find(&w->groups, 0, key->id) : NULL;
	struct group *legacy = key->legacy_id ? groups_find(&w->groups, w->options.resolver.legacy_hierarchy,
							    key->legacy_id) : NULL;
	struct group *group = choose(v2, known_legacy(w, legacy));

	return group ? &group->who : NULL;
}

/* ---- */

#define CGROUP_ROOT_INODE 1

/* From 5.5 a cgroup's id is its inode number, and tracepoints tell it. Before, they tell another one. */
static bool tracepoints_tell_ids(const struct resolver_options *o)
{
	const char *mount = o->v2_mount ? o->v2_mount : o->legacy_mount;
	_cleanup_close_ int fd = mount ? open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat st;
	uint64_t id;

	return fd >= 0 && !fstat(fd, &st) && !cgroup_id_of(fd, &id) && id == st.st_ino;
}

/* A mount may show a part of its hierarchy, as a container's does: what it calls "/" is not the root. */
static const char *whole_mount(const char *mount)
{
	struct stat st;

	return mount && !stat(mount, &st) && st.st_ino == CGROUP_ROOT_INODE ? mount : NULL;
}

static void take_options(struct who *w, const struct who_options *options)
{
	w->options = *options;
	w->options.resolver.v2_mount = whole_mount(options->resolver.v2_mount);
	w->options.resolver.legacy_mount = whole_mount(options->resolver.legacy_mount);
	w->ids = !options->classic_ids || tracepoints_tell_ids(&w->options.resolver);
	w->proc = host_pid_namespace() && host_cgroup_namespace();
}

static void render_no_cgroup(struct who *w)
{
	struct buf json = BUF_INIT(4096);

	w->no_cgroup.reason = IDENTITY_NO_CGROUP;
	w->options.render(&json, &w->no_cgroup);
	w->no_cgroup.json = json.data;
	w->no_cgroup.json_length = json.length;
}

struct who *who_open(const struct who_options *options, char *why, size_t size)
{
	struct who *w = calloc(1, sizeof(*w));
	int err = w ? groups_open(&w->groups, options->cgroups_max, forget, w) : -ENOMEM;

	if (!err)
		take_options(w, options);
	if (!err && options->lineage)
		err = lineage_open(&w->lineage);
	if (!err) {
		w->resolver = resolver_open(&w->options.resolver);
		err = w->resolver ? 0 : -EAGAIN;
	}
	if (err) {
		snprintf(why, size, "identity: %s", strerror(-err));
		who_close(w);
		return NULL;
	}
	w->identifier = (struct identifier){ .observe = observe, .identify = identify, .identify_now = identify_now };
	w->max_bytes = (size_t)w->groups.max * WHO_BYTES_PER_GROUP;
	if (options->render)
		render_no_cgroup(w);
	return w;
}

int who_start(struct who *w)
{
	return resolver_start(w->resolver);
}

void who_close(struct who *w)
{
	if (!w)
		return;
	resolver_close(w->resolver);
	groups_close(&w->groups);
	lineage_close(&w->lineage);
	free((char *)w->no_cgroup.json);
	free(w);
}

struct identifier *who_identifier(struct who *w)
{
	return &w->identifier;
}

void who_doubt(struct who *w)
{
	w->lineage.doubts++;
}

int who_fd(const struct who *w)
{
	return resolver_fd(w->resolver);
}

void who_stats(const struct who *w, struct who_stats *ret)
{
	*ret = (struct who_stats){ .cgroups = w->groups.living + w->groups.removed,
				   .cgroups_max = w->groups.max,
				   .removed = w->groups.removed,
				   .bytes = w->bytes,
				   .max_bytes = w->max_bytes,
				   .evicted = w->groups.evicted + w->groups.evicted_removed,
				   .identified = w->identified,
				   .late = w->late,
				   .missed = w->missed,
				   .refused = resolver_refused(w->resolver) + w->lineage.refused };
	memcpy(ret->unknown, w->unknown, sizeof(ret->unknown));
}
