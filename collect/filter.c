/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/parse.h"

static int add_key(struct filter *f, const struct tapio_filter_key *key, char *why, size_t size)
{
	if (f->nvalues == TAPIO_FILTER_VALUES_MAX) {
		snprintf(why, size, "more than %d filter values", TAPIO_FILTER_VALUES_MAX);
		return -E2BIG;
	}
	f->values[f->nvalues++] = *key;
	return 0;
}

static int add_number(struct filter *f, uint32_t kind, uint64_t value, char *why, size_t size)
{
	struct tapio_filter_key key = { .kind = kind };
	uint32_t number = (uint32_t)value;

	memcpy(key.value, &number, sizeof(number));
	return add_key(f, &key, why, size);
}

static int add_comm(struct filter *f, const char *text, char *why, size_t size)
{
	struct tapio_filter_key key = { .kind = TAPIO_FILTER_COMM };
	size_t n = strlen(text);

	if (!n || n >= TAPIO_COMM_LEN) {
		snprintf(why, size, "a comm has 1 to %d bytes (see /proc/PID/comm)", TAPIO_COMM_LEN - 1);
		return -EINVAL;
	}
	memcpy(key.value, text, n);
	return add_key(f, &key, why, size);
}

/* From /etc/passwd itself: a static binary has no name service modules. */
static int uid_by_name(const char *name, uint64_t *ret_uid)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
	size_t n = strlen(name);
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		char *field;

		if (strncmp(line, name, n) || line[n] != ':')
			continue;
		field = strchr(line + n + 1, ':');
		if (field) {
			field[1 + strcspn(field + 1, ":")] = '\0';
			return parse_u64(field + 1, UINT32_MAX, ret_uid);
		}
	}
	return -ENOENT;
}

static int open_cgroup(const char *text, char *why, size_t size)
{
	struct statfs fs;
	uint64_t id;
	int fd;

	if (*text != '/') {
		if (parse_u64(text, UINT64_MAX, &id)) {
			snprintf(why, size, "neither a path that begins with / nor an id (cgroup.id of an event)");
			return -EINVAL;
		}
		fd = cgroup_open_by_id(id);
		if (fd < 0)
			snprintf(why, size, "no cgroup v2 with this id: %s", strerror(-fd));
		return fd;
	}
	fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		snprintf(why, size, "%s", strerror(-fd));
		return fd;
	}
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC) {
		const char *v2 = NULL;

		cgroup_mode_detect(&v2);
		close(fd);
		snprintf(why, size, "not a cgroup v2 directory; the hierarchy is mounted at %s",
			 v2 ? v2 : "(nowhere)");
		return -EINVAL;
	}
	return fd;
}

static int add_cgroup(struct filter *f, const char *text, char *why, size_t size)
{
	int fd;

	if (f->ncgroups == TAPIO_FILTER_CGROUPS_MAX) {
		snprintf(why, size, "more than %d cgroups", TAPIO_FILTER_CGROUPS_MAX);
		return -E2BIG;
	}
	fd = open_cgroup(text, why, size);
	if (fd < 0)
		return fd;
	f->cgroups[f->ncgroups++] = fd;
	return 0;
}

int filter_add(struct filter *f, uint32_t kind, const char *text, char *why, size_t size)
{
	uint64_t number;

	switch (kind) {
	case TAPIO_FILTER_COMM:
		return add_comm(f, text, why, size);
	case TAPIO_FILTER_CGROUP:
		return add_cgroup(f, text, why, size);
	case TAPIO_FILTER_PID:
		if (parse_u64(text, INT32_MAX, &number) || !number) {
			snprintf(why, size, "not a process id: a number from 1 to %d", INT32_MAX);
			return -EINVAL;
		}
		return add_number(f, kind, number, why, size);
	case TAPIO_FILTER_UID:
		if (parse_u64(text, UINT32_MAX, &number) && uid_by_name(text, &number)) {
			snprintf(why, size, "neither a user id nor a name in /etc/passwd");
			return -EINVAL;
		}
		return add_number(f, kind, number, why, size);
	default:
		return -EINVAL;
	}
}

int filter_apply(const struct filter *f, const struct transport *t)
{
	__u32 one = 1, kinds = 0;

	for (unsigned i = 0; i < f->nvalues; i++) {
		if (bpf_map_update_elem(t->filter_fd, &f->values[i], &one, BPF_ANY))
			return -errno;
		kinds |= f->values[i].kind;
	}
	for (__u32 i = 0; i < f->ncgroups; i++) {
		struct tapio_filter_key key = { .kind = TAPIO_FILTER_CGROUP };
		uint64_t id;

		if (bpf_map_update_elem(t->cgroups_fd, &i, &f->cgroups[i], BPF_ANY))
			return -errno;
		/* Programs that do not run as the process have ids to go by. */
		kinds |= TAPIO_FILTER_CGROUP;
		if (cgroup_id_of(f->cgroups[i], &id))
			continue;
		memcpy(key.value, &id, sizeof(id));
		if (bpf_map_update_elem(t->filter_fd, &key, &one, BPF_ANY))
			return -errno;
	}
	return (int)kinds;
}

void filter_close(struct filter *f)
{
	for (unsigned i = 0; i < f->ncgroups; i++)
		close(f->cgroups[i]);
	memset(f, 0, sizeof(*f));
}
