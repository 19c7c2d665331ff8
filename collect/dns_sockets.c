/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/dns_sockets.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"

#define INODES_MAX 65536 /* sockets, and network namespaces */

struct inodes {
	uint64_t *list;
	unsigned n, room;
};

struct walk {
	int map_fd;
	const uint16_t *ports;
	struct inodes sockets, namespaces;
	const char *v2_mount;
	char legacy_mount[256];
	const char *legacy_controller;
	struct dns_sockets_found *ret;
};

static void inodes_add(struct inodes *s, uint64_t inode)
{
	unsigned room = s->room ? s->room * 2 : 64;
	uint64_t *list;

	if (s->n == INODES_MAX)
		return;
	if (s->n == s->room) {
		list = realloc(s->list, room * sizeof(*list));
		if (!list)
			return;
		s->list = list;
		s->room = room;
	}
	s->list[s->n++] = inode;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool is_port(const struct walk *w, unsigned port)
{
	for (unsigned i = 0; i < TAPIO_DNS_PORTS_MAX; i++)
		if (port && port == w->ports[i])
			return true;
	return false;
}

/* ---- which sockets ---- */

/* "sl  local_address rem_address  st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode": proc(5) */
static void take_line(struct walk *w, const char *line)
{
	unsigned local, remote;
	uint64_t inode;

	if (sscanf(line, " %*[0-9]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %" SCNu64, &local, &remote,
		   &inode) != 3)
		return;
	if (inode && (is_port(w, local) || is_port(w, remote) || remote == TAPIO_DNS_TLS_PORT))
		inodes_add(&w->sockets, inode);
}

static void read_sockets(struct walk *w, const char *pid)
{
	static const char *const tables[] = { "udp", "udp6", "tcp", "tcp6" };

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		_cleanup_fclose_ FILE *f = NULL;
		char path[320], line[512];

		snprintf(path, sizeof(path), "/proc/%s/net/%s", pid, tables[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			take_line(w, line);
	}
}

/* The tables of a namespace are read once, through the first of its processes. */
static void take_namespace(struct walk *w, const char *pid)
{
	char path[320];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	if (stat(path, &st))
		return;
	for (unsigned i = 0; i < w->namespaces.n; i++)
		if (w->namespaces.list[i] == st.st_ino)
			return;
	inodes_add(&w->namespaces, st.st_ino);
	read_sockets(w, pid);
}

/* ---- whose they are ---- */

/* From 5.5 a cgroup's id is its inode number. */
static uint64_t cgroup_at(const char *mount, const char *path)
{
	char full[4608];
	struct stat st;

	if (!mount || snprintf(full, sizeof(full), "%s%s", mount, path) >= (int)sizeof(full) || stat(full, &st))
		return 0;
	return st.st_ino;
}

/* "0::/path" and "7:pids:/path" */
static void read_cgroups(const struct walk *w, const char *pid, struct tapio_dns_socket *s)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[320], line[4352];

	snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *where = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!where)
			continue;
		*where++ = '\0';
		where[strcspn(where, "\n")] = '\0';
		if (!strcmp(line, "0:"))
			s->cgroup_id = cgroup_at(w->v2_mount, where);
		else if (w->legacy_controller && strstr(controllers, w->legacy_controller))
			s->legacy_cgroup_id = cgroup_at(w->legacy_mount, where);
	}
}

static bool read_process(const struct walk *w, const char *pid, struct tapio_dns_socket *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[320], comm[64] = "";
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s", pid);
	if (stat(path, &st))
		return false;
	*ret = (struct tapio_dns_socket){ .tgid = (__u32)atoi(pid), .tid = (__u32)atoi(pid), .uid = st.st_uid, .known = 1 };
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(comm, sizeof(comm), f))
		return false;
	comm[strcspn(comm, "\n")] = '\0';
	memcpy(ret->comm, comm, strnlen(comm, TAPIO_COMM_LEN - 1));
	read_cgroups(w, pid, ret);
	return true;
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* From 5.14, e8b9eab99232. */
static uint64_t namespace_of(int socket)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) ? 0 : cookie;
}

static void enter(struct walk *w, const char *pid, int fd, bool *known, struct tapio_dns_socket *s)
{
	_cleanup_close_ int process = -1, own = -1;

	if (!*known && !read_process(w, pid, s))
		return;
	*known = true;
	w->ret->found++;
	process = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	if (process >= 0)
		own = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (own >= 0)
		s->netns = namespace_of(own);
	if (own >= 0 && !bpf_map_update_elem(w->map_fd, &own, s, BPF_ANY))
		w->ret->entered++;
}

/* Of a socket that several hold, as a service manager and its service do, the last one is told. */
static void take_process(struct walk *w, const char *pid)
{
	struct tapio_dns_socket s;
	bool known = false;
	char path[320], link[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		uint64_t inode;

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1 &&
		    bsearch(&inode, w->sockets.list, w->sockets.n, sizeof(inode), by_number))
			enter(w, pid, atoi(e->d_name), &known, &s);
	}
	if (dir)
		closedir(dir);
}

static void each_process(struct walk *w, void (*take)(struct walk *w, const char *pid))
{
	DIR *proc = opendir("/proc");

	for (struct dirent *e; proc && (e = readdir(proc));)
		if (isdigit((unsigned char)e->d_name[0]))
			take(w, e->d_name);
	if (proc)
		closedir(proc);
}

void dns_sockets_enter(int map_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX], struct dns_sockets_found *ret)
{
	struct walk w = { .map_fd = map_fd, .ports = ports, .ret = ret };
	uint32_t hierarchy;

	*ret = (struct dns_sockets_found){};
	cgroup_mode_detect(&w.v2_mount);
	if (!cgroup_legacy_find("pids", &hierarchy, w.legacy_mount, sizeof(w.legacy_mount)))
		w.legacy_controller = "pids";
	each_process(&w, take_namespace);
	if (w.sockets.n) {
		qsort(w.sockets.list, w.sockets.n, sizeof(*w.sockets.list), by_number);
		each_process(&w, take_process);
	}
	free(w.sockets.list);
	free(w.namespaces.list);
}
