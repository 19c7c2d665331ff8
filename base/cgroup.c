/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const names[] = { "none", "v1", "hybrid", "v2" };

const char *cgroup_mode_name(enum cgroup_mode mode)
{
	return names[mode];
}

/* Whether a comma-separated list has the word. */
static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; *list; list += *list == ',') {
		size_t length = strcspn(list, ",\n");

		if (length == n && !strncmp(list, word, n))
			return true;
		list += length;
		if (*list == '\n')
			break;
	}
	return false;
}

/* "36 35 98:0 /root /mount/point rw - type source options", proc(5) */
static bool parse_mount(char *line, const char **ret_where, const char **ret_type, const char **ret_options)
{
	char *separator = strstr(line, " - "), *save, *field = strtok_r(line, " ", &save);

	for (int i = 0; field && i < 4; i++)
		field = strtok_r(NULL, " ", &save);
	if (!separator || !field)
		return false;
	*ret_where = field;
	*ret_type = strtok_r(separator + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	*ret_options = strtok_r(NULL, " ", &save);
	return *ret_type && *ret_options;
}

enum cgroup_mode cgroup_mode_detect(const char **ret_v2)
{
	static char v2[512];
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	bool have_v1 = false, have_v2 = false;
	char line[4096];

	while (f && fgets(line, sizeof(line), f)) {
		const char *where, *type, *options;

		if (!parse_mount(line, &where, &type, &options))
			continue;
		if (!strcmp(type, "cgroup2") && !have_v2) {
			have_v2 = true;
			snprintf(v2, sizeof(v2), "%s", where);
		}
		have_v1 |= !strcmp(type, "cgroup");
	}
	if (ret_v2)
		*ret_v2 = have_v2 ? v2 : NULL;
	if (have_v1)
		return have_v2 ? CGROUP_HYBRID : CGROUP_V1;
	return have_v2 ? CGROUP_V2 : CGROUP_NONE;
}

static void legacy_mount(const char *controller, char *mount, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	*mount = '\0';
	while (f && !*mount && fgets(line, sizeof(line), f)) {
		const char *where, *type, *options;

		if (parse_mount(line, &where, &type, &options) && !strcmp(type, "cgroup") &&
		    list_has(options, controller))
			snprintf(mount, size, "%s", where);
	}
}

int cgroup_legacy_find(const char *controller, uint32_t *ret_hierarchy, char *mount, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	char line[4096];

	/* "8:pids:/path" */
	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *end = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!end)
			continue;
		*end = '\0';
		if (!list_has(controllers + 1, controller))
			continue;
		*ret_hierarchy = (uint32_t)strtoul(line, NULL, 10);
		legacy_mount(controller, mount, size);
		return 0;
	}
	return -ENOENT;
}

/*
 * A kernfs file handle holds the 64-bit id. FILEID_INO32_GEN (include/linux/exportfs.h) is what all
 * kernels decode; FILEID_KERNFS, 0xfe, came with 5.5.
 */
#define HANDLE_TYPE 1

int cgroup_open_at(const char *where, uint64_t id)
{
	union {
		struct file_handle head;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} handle = { .head = { .handle_bytes = sizeof(id), .handle_type = HANDLE_TYPE } };
	_cleanup_close_ int mount = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (mount < 0)
		return -errno;
	memcpy(handle.bytes + sizeof(struct file_handle), &id, sizeof(id));
	fd = open_by_handle_at(mount, &handle.head, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_open_by_id(uint64_t id)
{
	const char *v2;

	cgroup_mode_detect(&v2);
	return v2 ? cgroup_open_at(v2, id) : -ENOENT;
}

int cgroup_id_of(int dir_fd, uint64_t *ret_id)
{
	union {
		struct file_handle head;
		char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
	} handle = { .head = { .handle_bytes = sizeof(uint64_t) } };
	int mount_id;

	if (name_to_handle_at(dir_fd, "", &handle.head, &mount_id, AT_EMPTY_PATH))
		return -errno;
	memcpy(ret_id, handle.bytes + sizeof(struct file_handle), sizeof(*ret_id));
	return 0;
}
