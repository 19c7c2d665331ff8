/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/host_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/read.h"

enum { FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC };

int host_open_root(const char *path)
{
	int fd = open(path, FOLDER);

	return fd < 0 ? -errno : fd;
}

/* -ENOSYS where the kernel, or a seccomp filter, has no openat2(2). */
static int open_resolved(int folder, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)flags, .resolve = resolve };
	long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

	if (fd < 0)
		return errno == EPERM ? -ENOSYS : -errno;
	return (int)fd;
}

/* Name by name, none of them a link. */
static int open_stepwise(int folder, const char *path, int flags)
{
	_cleanup_close_ int here = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	const char *slash;
	char name[256];
	int fd;

	while (here >= 0 && (slash = strchr(path, '/'))) {
		size_t n = (size_t)(slash - path);

		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		path = slash + 1;
		fd = openat(here, name, FOLDER | O_NOFOLLOW);
		if (fd < 0)
			return -errno;
		close(here);
		here = fd;
	}
	if (here < 0)
		return -errno;
	fd = openat(here, path, flags | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static bool is_own_root(int root)
{
	struct stat mine, there;

	return !stat("/", &mine) && !fstat(root, &there) && mine.st_dev == there.st_dev &&
	       mine.st_ino == there.st_ino;
}

int host_open_place(int root, const char *path)
{
	int fd = open_resolved(root, path, FOLDER, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd != -ENOSYS)
		return fd;
	if (!is_own_root(root))
		return open_stepwise(root, path, FOLDER);
	fd = openat(root, path, FOLDER);
	return fd < 0 ? -errno : fd;
}

static int open_file(int place, const char *path)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	int fd = open_resolved(place, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (fd == -ENOSYS)
		fd = open_stepwise(place, path, flags);
	if (fd == -ELOOP || fd == -EXDEV || fd == -ENOTDIR)
		return -EBADMSG;
	return fd;
}

int host_read(int place, const char *path, size_t max, char **ret, size_t *ret_length)
{
	_cleanup_close_ int fd = open_file(place, path);
	_cleanup_free_ char *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = read_up_to(fd, data, (size_t)st.st_size + 1);
	if (n < 0)
		return (int)n;
	if (n > st.st_size) /* grew: somebody is writing it */
		return -EBADMSG;
	data[n] = '\0';
	*ret = data;
	*ret_length = (size_t)n;
	data = NULL;
	return 0;
}

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int host_each_name(int place, unsigned max, int (*fn)(const char *name, void *ctx), void *ctx)
{
	int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	__attribute__((cleanup(cleanup_closedir))) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		result = -errno;
		if (fd >= 0)
			close(fd);
		return result;
	}
	for (unsigned seen = 0; !result && (entry = readdir(dir));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (seen++ == max)
			return -EFBIG;
		result = fn(entry->d_name, ctx);
	}
	return result;
}
