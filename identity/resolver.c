/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* A container's names, as last read. Empty: container_id[0] is 0. */
struct cached {
	char container_id[CGROUP_CONTAINER_ID_LENGTH + 1];
	char pod_uid[CGROUP_POD_UID_MAX + 1];
	uint64_t read_ns;
	struct workload workload;
};

struct resolver {
	struct resolver_options options;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool started, stop;
	int fd;
	unsigned nquestions, nanswers; /* under the lock, as the queues themselves */
	struct question questions[RESOLVER_QUEUE_MAX];
	/* A question gives its place up when it is answered, and none is taken without one. */
	struct answer answers[RESOLVER_QUEUE_MAX];
	unsigned working; /* 1 while a question is in work */
	uint64_t refused;
	struct cached cache[RESOLVER_CACHE]; /* the thread's own */
};

/* ---- reading ---- */

int cgroup_path_by_id(const char *mount, uint64_t id, char **ret)
{
	_cleanup_close_ int fd = cgroup_open_at(mount, id);
	char link[64], path[PATH_MAX];
	size_t skip = strlen(mount);
	ssize_t n;

	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	/* One that was removed while somebody holds it open: "/path (deleted)", "//deleted" */
	if ((size_t)n < skip || strncmp(path, mount, skip) || strstr(path, "//deleted") ||
	    access(path, F_OK))
		return -ESTALE;
	*ret = strdup(path[skip] ? path + skip : "/");
	return *ret ? 0 : -ENOMEM;
}

void cgroup_paths_free(struct cgroup_paths *paths)
{
	free(paths->v2);
	free(paths->legacy);
	memset(paths, 0, sizeof(*paths));
}

/* 0: it is not there (any more). */
static uint64_t id_of_path(const char *mount, const char *path)
{
	_cleanup_close_ int fd = -1;
	char full[PATH_MAX];
	uint64_t id;

	if (!mount || !path || snprintf(full, sizeof(full), "%s%s", mount, path) >= (int)sizeof(full))
		return 0;
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && !cgroup_id_of(fd, &id) ? id : 0;
}

int cgroup_paths_of_process(const struct resolver_options *options, const char *pid, struct cgroup_paths *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[64], line[PATH_MAX + 256];

	memset(ret, 0, sizeof(*ret));
	snprintf(name, sizeof(name), "/proc/%s/cgroup", pid);
	f = fopen(name, "re");
	if (!f)
		return -errno;
	/* "8:pids:/path" */
	while (fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
		unsigned long hierarchy = strtoul(line, NULL, 10);

		if (!path++)
			continue;
		path[strcspn(path, "\n")] = '\0';
		if (!hierarchy && !ret->v2)
			ret->v2 = strdup(path);
		else if (hierarchy && hierarchy == options->legacy_hierarchy && !ret->legacy)
			ret->legacy = strdup(path);
	}
	ret->v2_id = id_of_path(options->v2_mount, ret->v2);
	ret->legacy_id = id_of_path(options->legacy_mount, ret->legacy);
	return ret->v2 || ret->legacy ? 0 : -ENOENT;
}

static int resolve_path(const struct resolver *r, const struct question *q, struct answer *ret)
{
	const char *mount = q->hierarchy ? r->options.legacy_mount : r->options.v2_mount;

	return mount && *mount ? cgroup_path_by_id(mount, q->id, &ret->paths.v2) : -ENODEV;
}

static struct cached *cached_of(struct resolver *r, const char *container_id)
{
	/* Ids are hex digits of a hash: the first ones spread well. */
	return &r->cache[strtoul((char[]){ container_id[0], container_id[1], 0 }, NULL, 16) % RESOLVER_CACHE];
}

static bool copy_string(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

/* Frees what *ret held. 0 or -ENOMEM, and *ret is empty then. */
static int workload_copy(const struct workload *from, struct workload *ret)
{
	workload_free(ret);
	ret->runtime = from->runtime;
	ret->sandbox = from->sandbox;
	if (copy_string(&ret->container_name, from->container_name) && copy_string(&ret->image, from->image) &&
	    copy_string(&ret->pod_uid, from->pod_uid) && copy_string(&ret->pod_name, from->pod_name) &&
	    copy_string(&ret->pod_namespace, from->pod_namespace) &&
	    copy_string(&ret->pod_container, from->pod_container))
		return 0;
	workload_free(ret);
	return -ENOMEM;
}

/* Every cgroup that a container makes below its own asks for the same names. */
static int resolve_workload(struct resolver *r, const struct question *q, struct answer *ret)
{
	const struct workload_query query = { .container_id = q->container_id[0] ? q->container_id : NULL,
					      .pod_uid = q->pod_uid[0] ? q->pod_uid : NULL };
	struct cached *cached = query.container_id && !q->claimed_id[0] ? cached_of(r, q->container_id) : NULL;
	int err;

	if (cached && !strcmp(cached->container_id, q->container_id) && !strcmp(cached->pod_uid, q->pod_uid) &&
	    clock_ns(CLOCK_MONOTONIC) - cached->read_ns < RESOLVER_FRESH_NS)
		return workload_copy(&cached->workload, &ret->workload);
	err = workload_read(r->options.host_root, &query, &ret->workload);
	if (err || !cached)
		return err;
	cached->container_id[0] = '\0';
	if (!workload_copy(&ret->workload, &cached->workload)) {
		memcpy(cached->container_id, q->container_id, sizeof(cached->container_id));
		memcpy(cached->pod_uid, q->pod_uid, sizeof(cached->pod_uid));
		cached->read_ns = clock_ns(CLOCK_MONOTONIC);
	}
	return 0;
}

/*
 * A container may say of a cgroup below its own that it is another container. That is so where the
 * agent runs on a node that is itself a container (kind): the runtimes on this disk have the inner one
 * and not the outer. It is not so where they have the outer one: that is who it is, whatever it has inside.
 */
static int resolve_claim(struct resolver *r, const struct question *q, struct answer *ret)
{
	const struct workload_query query = { .container_id = q->claimed_id, .pod_uid = q->claimed_uid };
	int err;

	if (!q->claimed_id[0] || !q->claimed_uid[0])
		return -ENOENT;
	workload_free(&ret->workload);
	err = workload_read(r->options.host_root, &query, &ret->workload);
	ret->claim_is_true = !err && ret->workload.container_name && ret->workload.pod_uid;
	if (!ret->claim_is_true) /* what was found out is not about the one that claims */
		workload_free(&ret->workload);
	return ret->claim_is_true ? 0 : -ENOENT;
}

static void resolve(struct resolver *r, struct answer *answer)
{
	const struct question *q = &answer->question;
	char pid[16];

	switch (q->kind) {
	case QUESTION_PATH:
		answer->err = resolve_path(r, q, answer);
		break;
	case QUESTION_WORKLOAD:
		answer->err = q->container_id[0] || q->pod_uid[0] ? resolve_workload(r, q, answer) : -ENOENT;
		if (answer->err == -ENOENT)
			answer->err = resolve_claim(r, q, answer);
		break;
	case QUESTION_PROCESS:
		snprintf(pid, sizeof(pid), "%u", q->pid);
		answer->err = cgroup_paths_of_process(&r->options, pid, &answer->paths);
		break;
	}
}

/* ---- the thread ---- */

/* The first question that is due, or when the next one will be; with the lock held. */
static bool next_question(struct resolver *r, struct question *ret, uint64_t *ret_due_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	*ret_due_ns = UINT64_MAX;
	for (unsigned i = 0; i < r->nquestions; i++) {
		if (r->questions[i].due_ns > now) {
			if (r->questions[i].due_ns < *ret_due_ns)
				*ret_due_ns = r->questions[i].due_ns;
			continue;
		}
		*ret = r->questions[i];
		r->nquestions--;
		memmove(&r->questions[i], &r->questions[i + 1], (r->nquestions - i) * sizeof(*ret));
		return true;
	}
	return false;
}

static void wait_until(struct resolver *r, uint64_t due_ns)
{
	const struct timespec ts = { .tv_sec = (time_t)(due_ns / NS_PER_S), .tv_nsec = (long)(due_ns % NS_PER_S) };

	if (due_ns == UINT64_MAX)
		pthread_cond_wait(&r->wake, &r->lock);
	else
		pthread_cond_timedwait(&r->wake, &r->lock, &ts);
}

static void *work(void *arg)
{
	struct resolver *r = arg;
	uint64_t one = 1, due_ns;
	ssize_t n;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		struct answer answer = { .err = 0 };

		if (!next_question(r, &answer.question, &due_ns)) {
			wait_until(r, due_ns);
			continue;
		}
		r->working = 1;
		pthread_mutex_unlock(&r->lock);
		resolve(r, &answer);
		pthread_mutex_lock(&r->lock);
		r->working = 0;
		r->answers[r->nanswers++] = answer;
		n = write(r->fd, &one, sizeof(one));
		(void)n; /* full: it is readable already */
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int resolver_start(struct resolver *r)
{
	sigset_t all, before;
	int err;

	/* Signals are the first thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&r->thread, NULL, work, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->started = !err;
	return -err;
}

struct resolver *resolver_open(const struct resolver_options *options)
{
	struct resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	r->options = *options;
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0) {
		free(r);
		return NULL;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

int resolver_fd(const struct resolver *r)
{
	return r->fd;
}

int resolver_ask(struct resolver *r, const struct question *question)
{
	unsigned later = 0;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; question->due_ns && i < r->nquestions; i++)
		later += r->questions[i].due_ns != 0;
	if (later < RESOLVER_LATER_MAX && r->nquestions + r->nanswers + r->working < RESOLVER_QUEUE_MAX) {
		r->questions[r->nquestions++] = *question;
		pthread_cond_signal(&r->wake);
	} else {
		r->refused++;
		err = -EAGAIN;
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

void resolver_hurry(struct resolver *r, struct group_ref group)
{
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 1; i < r->nquestions; i++) {
		struct question q = r->questions[i];

		if (q.kind == QUESTION_PROCESS || q.group.index != group.index || q.group.generation != group.generation)
			continue;
		memmove(&r->questions[1], &r->questions[0], i * sizeof(q));
		r->questions[0] = q;
		break;
	}
	pthread_mutex_unlock(&r->lock);
}

bool resolver_take(struct resolver *r, struct answer *ret)
{
	uint64_t count;
	bool have;

	pthread_mutex_lock(&r->lock);
	have = r->nanswers;
	if (have) {
		*ret = r->answers[0];
		memmove(&r->answers[0], &r->answers[1], --r->nanswers * sizeof(*ret));
	} else if (read(r->fd, &count, sizeof(count)) < 0) {
		/* not readable: nothing to acknowledge */
	}
	pthread_mutex_unlock(&r->lock);
	return have;
}

uint64_t resolver_refused(const struct resolver *r)
{
	return r->refused;
}

void resolver_close(struct resolver *r)
{
	struct answer answer;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	if (r->started)
		pthread_join(r->thread, NULL);
	while (resolver_take(r, &answer)) {
		cgroup_paths_free(&answer.paths);
		workload_free(&answer.workload);
	}
	for (unsigned i = 0; i < RESOLVER_CACHE; i++)
		workload_free(&r->cache[i].workload);
	close(r->fd);
	free(r);
}
