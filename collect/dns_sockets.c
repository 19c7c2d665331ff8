/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/dns_sockets.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "base/clock.h"

#define SOCKETS_MAX 65536
#define NAMESPACES_MAX 65536

/* For so long rounds are added while something waits to be accepted: where one takes longer, that is one. */
#define WAIT_NS (40 * NS_PER_MS)

struct walk {
	const uint16_t *ports;
	struct dns_socket *sockets; /* of all rounds; those of earlier ones first, by inode */
	unsigned nsockets, sockets_room, nearlier;
	uint64_t *namespaces; /* of this round */
	unsigned nnamespaces, namespaces_room;
	unsigned waiting; /* connections that have no inode, because nobody has accepted them yet */
	void (*take)(void *arg, const char *pid, int fd, struct dns_socket *socket);
	void *arg;
};

/* A place for one more, NULL if there is none. */
static void *one_more(void *list, unsigned *n, unsigned *room, unsigned max, size_t size)
{
	unsigned wanted = *room ? *room * 2 : 64;
	void **at = list, *more;

	if (*n == max)
		return NULL;
	if (*n == *room) {
		more = realloc(*at, wanted * size);
		if (!more)
			return NULL;
		*at = more;
		*room = wanted;
	}
	return (char *)*at + (*n)++ * size;
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct dns_socket *)a)->inode, y = ((const struct dns_socket *)b)->inode;

	return (x > y) - (x < y);
}

static bool is_port(const uint16_t *ports, unsigned port)
{
	for (unsigned i = 0; i < TAPIO_DNS_PORTS_MAX; i++)
		if (port && port == ports[i])
			return true;
	return false;
}

static bool was_found(const struct walk *w, uint64_t inode)
{
	struct dns_socket key = { .inode = inode };

	return w->nearlier && bsearch(&key, w->sockets, w->nearlier, sizeof(key), by_inode);
}

/* ---- which sockets ---- */

/* Words of four octets, each as a number of this machine. */
static void read_address(const char *hex, uint8_t ret[16])
{
	uint32_t word;

	for (unsigned i = 0; i < 4 && sscanf(hex + i * 8, "%8" SCNx32, &word) == 1; i++)
		memcpy(ret + i * 4, &word, sizeof(word));
}

/* "sl  local_address rem_address  st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode": proc(5) */
static void take_line(struct walk *w, const char *line, uint8_t family, uint8_t protocol)
{
	struct dns_socket s = { .family = family, .protocol = protocol }, *place;
	char local[33], remote[33];
	unsigned state;

	if (sscanf(line, " %*[0-9]: %32[0-9A-Fa-f]:%" SCNx16 " %32[0-9A-Fa-f]:%" SCNx16 " %x %*s %*s %*s %*s %*s %" SCNu64,
		   local, &s.local_port, remote, &s.remote_port, &state, &s.inode) != 6)
		return;
	if (!is_port(w->ports, s.local_port) && !is_port(w->ports, s.remote_port) && s.remote_port != TAPIO_DNS_TLS_PORT)
		return;
	if (!s.inode) {
		w->waiting += protocol == IPPROTO_TCP && (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT) &&
			      is_port(w->ports, s.local_port);
		return;
	}
	if (was_found(w, s.inode))
		return;
	read_address(local, s.local);
	read_address(remote, s.remote);
	place = one_more(&w->sockets, &w->nsockets, &w->sockets_room, SOCKETS_MAX, sizeof(s));
	if (place)
		*place = s;
}

static void read_sockets(struct walk *w, const char *pid)
{
	static const struct {
		const char *name;
		uint8_t family, protocol;
	} tables[] = { { "udp", 4, IPPROTO_UDP }, { "udp6", 6, IPPROTO_UDP }, { "tcp", 4, IPPROTO_TCP }, { "tcp6", 6, IPPROTO_TCP } };

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		_cleanup_fclose_ FILE *f = NULL;
		char path[320], line[512];

		snprintf(path, sizeof(path), "/proc/%s/net/%s", pid, tables[i].name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			take_line(w, line, tables[i].family, tables[i].protocol);
	}
}

/* The tables of a namespace are read once, through the first of its processes. */
static void take_namespace(struct walk *w, const char *pid)
{
	uint64_t *place;
	char path[320];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	if (stat(path, &st))
		return;
	for (unsigned i = 0; i < w->nnamespaces; i++)
		if (w->namespaces[i] == st.st_ino)
			return;
	place = one_more(&w->namespaces, &w->nnamespaces, &w->namespaces_room, NAMESPACES_MAX, sizeof(*place));
	if (!place)
		return;
	*place = st.st_ino;
	read_sockets(w, pid);
}

/* Of a socket that several hold, as a service manager and its service do, each is given. */
static void take_process(struct walk *w, const char *pid)
{
	char path[320], link[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		struct dns_socket key, *found;

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", &key.inode) != 1)
			continue;
		found = bsearch(&key, w->sockets + w->nearlier, w->nsockets - w->nearlier, sizeof(key), by_inode);
		if (found)
			w->take(w->arg, pid, atoi(e->d_name), found);
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

/* Of sockets that earlier rounds have not listed. */
static void walk_round(struct walk *w)
{
	w->nnamespaces = w->waiting = 0;
	each_process(w, take_namespace);
	if (w->nsockets == w->nearlier)
		return;
	qsort(w->sockets + w->nearlier, w->nsockets - w->nearlier, sizeof(*w->sockets), by_inode);
	each_process(w, take_process);
	qsort(w->sockets, w->nsockets, sizeof(*w->sockets), by_inode);
	w->nearlier = w->nsockets;
}

unsigned dns_sockets_walk(const uint16_t ports[TAPIO_DNS_PORTS_MAX],
			  void (*take)(void *arg, const char *pid, int fd, struct dns_socket *socket), void *arg)
{
	struct walk w = { .ports = ports, .take = take, .arg = arg };
	uint64_t end;

	walk_round(&w);
	walk_round(&w);
	end = clock_ns(CLOCK_MONOTONIC) + WAIT_NS;
	for (useconds_t pause = 1000; w.waiting && clock_ns(CLOCK_MONOTONIC) < end; pause *= 2) {
		usleep(pause);
		walk_round(&w);
	}
	free(w.sockets);
	free(w.namespaces);
	return w.waiting;
}

/* ---- whose they are ---- */

struct entering {
	int map_fd;
	const char *v2_mount;
	char legacy_mount[256];
	const char *legacy_controller;
	struct dns_sockets_found *ret;
	struct tapio_dns_socket process; /* of the last one that was read */
};

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
static void read_cgroups(const struct entering *w, const char *pid, struct tapio_dns_socket *s)
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

static bool read_process(const struct entering *w, const char *pid, struct tapio_dns_socket *ret)
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

/* Of a socket that several hold the last one is told. What the programs had entered before is newer, and stays. */
static void enter(void *arg, const char *pid, int fd, struct dns_socket *socket)
{
	_cleanup_close_ int process = -1, own = -1;
	struct entering *w = arg;

	if (w->process.tgid != (__u32)atoi(pid) && !read_process(w, pid, &w->process))
		return;
	w->ret->found++;
	process = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	if (process >= 0)
		own = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (own < 0)
		return;
	w->process.netns = namespace_of(own);
	if (!bpf_map_update_elem(w->map_fd, &own, &w->process, socket->entered ? BPF_EXIST : BPF_NOEXIST))
		socket->entered = true;
	else if (errno != EEXIST)
		return;
	w->ret->entered++;
}

void dns_sockets_enter(int map_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX], struct dns_sockets_found *ret)
{
	struct entering w = { .map_fd = map_fd, .ret = ret };
	uint32_t hierarchy;
	unsigned waiting;

	*ret = (struct dns_sockets_found){};
	cgroup_mode_detect(&w.v2_mount);
	if (!cgroup_legacy_find("pids", &hierarchy, w.legacy_mount, sizeof(w.legacy_mount)))
		w.legacy_controller = "pids";
	waiting = dns_sockets_walk(ports, enter, &w);
	ret->found += waiting;
}

/* ---- by process and descriptor ---- */

struct entering_calls {
	int lives_fd, sockets_fd;
	const uint16_t *ports;
	struct dns_sockets_found *ret;
};

/* The number of the life that a process is in, begun now if nothing was known of it; 0: no room. */
static uint64_t life_of(const struct entering_calls *w, uint32_t tgid)
{
	struct tapio_dns_call_life life = { .number = clock_ns(CLOCK_MONOTONIC) };

	bpf_map_update_elem(w->lives_fd, &tgid, &life, BPF_NOEXIST);
	return bpf_map_lookup_elem(w->lives_fd, &tgid, &life) ? 0 : life.number;
}

static void enter_call(void *arg, const char *pid, int fd, struct dns_socket *from)
{
	struct tapio_dns_call_key key = { .tgid = (__u32)atoi(pid), .fd = (__u32)fd };
	static const uint8_t any[16];
	struct entering_calls *w = arg;
	struct tapio_dns_call_socket s = {
		.made_ns = clock_ns(CLOCK_MONOTONIC), .cookie = 1ull << 63 | from->inode,
		.peer_port = from->remote_port, .peer_family = from->family, .protocol = from->protocol,
		.flags = from->remote_port ? TAPIO_DNS_CALL_CONNECTED : 0,
	};

	if (!is_port(w->ports, from->local_port) && !is_port(w->ports, from->remote_port))
		return;
	w->ret->found++;
	s.life = life_of(w, key.tgid);
	memcpy(s.peer, from->remote, sizeof(s.peer));
	if (is_port(w->ports, from->local_port)) {
		s.local_port = from->local_port;
		s.local_family = memcmp(from->local, any, sizeof(any)) ? from->family : 0;
		memcpy(s.local, from->local, sizeof(s.local));
	}
	/* One that the programs have made meanwhile is newer. */
	if (s.life && (!bpf_map_update_elem(w->sockets_fd, &key, &s, BPF_NOEXIST) || errno == EEXIST))
		w->ret->entered++;
}

void dns_sockets_enter_calls(int lives_fd, int sockets_fd, const uint16_t ports[TAPIO_DNS_PORTS_MAX],
			     struct dns_sockets_found *ret)
{
	struct entering_calls w = { lives_fd, sockets_fd, ports, ret };

	*ret = (struct dns_sockets_found){};
	dns_sockets_walk(ports, enter_call, &w);
}
