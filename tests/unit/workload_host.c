/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/test.h"

static char root[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int host_begin(void)
{
	strcpy(root, "/tmp/tapio-host-XXXXXX");
	REQUIRE(mkdtemp(root), "mkdtemp: %s", strerror(errno));
	return 0;
}

void host_end(const int *host)
{
	(void)host;
	CHECK(!nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), "%s stays: %s", root, strerror(errno));
}

const char *host_path(const char *path)
{
	static char full[4096];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	return full;
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		REQUIRE(!mkdir(path, 0755) || errno == EEXIST, "mkdir %s: %s", path, strerror(errno));
		*slash = '/';
	}
}

void host_put_bytes(const char *path, const void *data, size_t n)
{
	char full[4096];
	int fd;

	strcpy(full, host_path(path));
	make_parents(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	REQUIRE(fd >= 0 && write(fd, data, n) == (ssize_t)n, "%s: %s", full, strerror(errno));
	close(fd);
}

void host_put(const char *path, const char *text)
{
	host_put_bytes(path, text, strlen(text));
}

void host_mkdir(const char *path)
{
	char full[4096 + 1];

	snprintf(full, sizeof(full), "%s/", host_path(path));
	make_parents(full);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

int host_look(const char *id, const char *pod_uid, struct workload *ret)
{
	struct workload_query query = { .container_id = id, .pod_uid = pod_uid };
	unsigned before = open_descriptors(), after;
	int err;

	memset(ret, 0xa5, sizeof(*ret));
	err = workload_read(root, &query, ret);
	after = open_descriptors();
	CHECK(before == after, "%u descriptors became %u", before, after);
	return err;
}

static void check_text(const char *what, const char *which, const char *got, const char *wanted)
{
	CHECK(got && wanted ? !strcmp(got, wanted) : !got && !wanted, "%s: %s is %s, not %s", what, which,
	      got ? got : "unknown", wanted ? wanted : "unknown");
}

void host_check(const char *what, const char *id, const char *pod_uid, int wanted_err,
		const struct wanted_workload *wanted)
{
	struct workload got;
	int err = host_look(id, pod_uid, &got);

	CHECK(err == wanted_err, "%s: %s, not %s", what, strerror(-err), strerror(-wanted_err));
	check_text(what, "runtime", got.runtime, wanted->runtime);
	check_text(what, "container's name", got.container_name, wanted->name);
	check_text(what, "image", got.image, wanted->image);
	check_text(what, "pod's uid", got.pod_uid, wanted->uid);
	check_text(what, "pod", got.pod_name, wanted->pod);
	check_text(what, "namespace", got.pod_namespace, wanted->namespace);
	check_text(what, "pod's container", got.pod_container, wanted->container);
	CHECK(got.sandbox == wanted->sandbox, "%s: sandbox %d", what, got.sandbox);
	workload_free(&got);
	CHECK(!got.pod_name && !got.runtime, "%s: something is left after workload_free", what);
}

/* The allocator's own caches settle at some point; what leaks grows for ever. */
void host_check_memory(const char *id, const char *pod_uid)
{
	enum { ROUNDS = 100, LEAST = 24 };
	size_t used[2];

	for (unsigned half = 0; half < 2; half++) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			struct workload got;

			host_look(id, pod_uid, &got);
			workload_free(&got);
		}
		used[half] = mallinfo2().uordblks;
	}
	CHECK(used[1] < used[0] + ROUNDS * LEAST, "%zu bytes in use became %zu", used[0], used[1]);
}
