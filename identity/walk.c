/* SPDX-License-Identifier: Apache-2.0 */
/* What was there before us: all cgroups of a hierarchy, and all processes where they are followed. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "identity/who_internal.h"

#define DEPTH_MAX 64 /* of cgroups below each other: PATH_MAX allows more, nobody does it */

struct walk {
	struct who *who;
	uint32_t hierarchy;
	struct buf path;
};

uint64_t who_key(const struct who *w, uint64_t id, struct bytes path)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	if (w->ids)
		return id;
	for (size_t i = 0; i < path.length; i++)
		hash = (hash ^ (unsigned char)path.data[i]) * 0x100000001b3ull;
	return hash | 1;
}

static void enter(struct walk *walk, int dir_fd)
{
	struct bytes path = { walk->path.length ? walk->path.data : "/", walk->path.length ? walk->path.length : 1 };
	struct who *w = walk->who;
	uint64_t id;
	char *copy;

	if (cgroup_id_of(dir_fd, &id))
		return;
	id = who_key(w, id, path);
	/* Its record came before: the walk begins after the programs run. */
	if (groups_find(&w->groups, walk->hierarchy, id))
		return;
	copy = strndup(path.data, path.length);
	if (copy)
		who_enter(w, walk->hierarchy, id, copy);
}

static void walk_below(struct walk *walk, int dir_fd, unsigned depth);

static void walk_child(struct walk *walk, int parent_fd, const char *name, unsigned depth)
{
	size_t length = walk->path.length;
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	buf_addc(&walk->path, '/');
	buf_adds(&walk->path, name);
	if (!walk->path.refused)
		walk_below(walk, fd, depth + 1);
	else
		close(fd);
	walk->path.length = length;
	walk->path.refused = false;
}

/* Takes the descriptor over. */
static void walk_below(struct walk *walk, int dir_fd, unsigned depth)
{
	DIR *dir;

	enter(walk, dir_fd);
	dir = depth < DEPTH_MAX ? fdopendir(dir_fd) : NULL;
	if (!dir) {
		close(dir_fd);
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			walk_child(walk, dirfd(dir), e->d_name, depth);
	closedir(dir);
}

static int walk_hierarchy(struct who *w, uint32_t hierarchy, const char *mount)
{
	struct walk walk = { .who = w, .hierarchy = hierarchy, .path = BUF_INIT(TAPIO_PATH_MAX) };
	int fd;

	if (!mount || !*mount)
		return 0;
	fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	walk_below(&walk, fd, 0);
	buf_free(&walk.path);
	return 0;
}

static void walk_processes(struct who *w)
{
	DIR *proc = opendir("/proc");

	for (struct dirent *e; proc && (e = readdir(proc));) {
		struct cgroup_paths paths;

		if (!isdigit((unsigned char)e->d_name[0]) ||
		    cgroup_paths_of_process(&w->options.resolver, e->d_name, &paths))
			continue;
		follow_enter(w, (uint32_t)atoi(e->d_name), &paths);
		cgroup_paths_free(&paths);
	}
	if (proc)
		closedir(proc);
}

int who_walk(struct who *w)
{
	int err = walk_hierarchy(w, 0, w->options.resolver.v2_mount);

	if (!err && w->options.resolver.legacy_hierarchy)
		err = walk_hierarchy(w, w->options.resolver.legacy_hierarchy, w->options.resolver.legacy_mount);
	if (w->options.lineage && w->proc)
		walk_processes(w);
	return err;
}
