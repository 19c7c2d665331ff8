/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/live/stimulus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/test.h"

#define ROLE "TAPIO_STIMULUS="

enum { TRUTH_FD = 200 };

char *const stimulus_report[] = { ROLE "report", "TAPIO_SECRET=" STIMULUS_SECRET, NULL };
char *const stimulus_quiet[] = { ROLE "quiet", "TAPIO_SECRET=" STIMULUS_SECRET, NULL };

/* ---- /proc ---- */

static size_t read_file(const char *path, char *buf, size_t size, size_t *ret_total)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0, total = 0;
	char rest[4096];
	ssize_t n;

	while (fd >= 0 && (n = at < size ? read(fd, buf + at, size - at) : read(fd, rest, sizeof(rest))) > 0) {
		at += at < size ? (size_t)n : 0;
		total += (size_t)n;
	}
	if (ret_total)
		*ret_total = total;
	return at;
}

/* Fields of /proc/PID/stat as proc(5) counts them; the second, comm, may hold anything. */
struct proc_stat {
	int pid, parent_pid;
	uint64_t user_ticks, system_ticks, start_ticks;
};

static struct proc_stat read_stat(const char *pid)
{
	struct proc_stat st = { 0 };
	char path[64], text[1024], *at;
	unsigned long long user = 0, system = 0, start = 0;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	text[read_file(path, text, sizeof(text) - 1, NULL)] = '\0';
	at = strrchr(text, ')');
	if (!at)
		return st;
	st.pid = atoi(text);
	/* 3 state, 4 ppid, 14 utime, 15 stime, 22 starttime */
	sscanf(at + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
	       &st.parent_pid, &user, &system, &start);
	st.user_ticks = user;
	st.system_ticks = system;
	st.start_ticks = start;
	return st;
}

static void read_link(const char *path, char *buf, size_t size)
{
	ssize_t n = readlink(path, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
}

uint32_t own_namespace(const char *name)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) ? 0 : (uint32_t)st.st_ino;
}

void own_capabilities(uint64_t *ret_effective, uint64_t *ret_permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	syscall(SYS_capget, &header, data);
	*ret_effective = data[0].effective | (uint64_t)data[1].effective << 32;
	*ret_permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* ---- the program ---- */

static void know_thyself(struct truth *t, int argc)
{
	struct proc_stat self = read_stat("self"), parent;
	size_t size, n;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", self.parent_pid);
	parent = read_stat(pid);
	t->boot_ns = clock_ns(CLOCK_BOOTTIME);
	t->pid = self.pid ? self.pid : getpid(); /* no /proc in a root of its own */
	t->vpid = getpid();
	t->parent_pid = self.parent_pid;
	t->start_ticks = self.start_ticks;
	t->parent_start_ticks = parent.start_ticks;
	t->uid = getuid();
	t->euid = geteuid();
	t->gid = getgid();
	t->egid = getegid();
	t->pid_ns = own_namespace("pid");
	t->mnt_ns = own_namespace("mnt");
	t->net_ns = own_namespace("net");
	t->user_ns = own_namespace("user");
	t->cgroup_ns = own_namespace("cgroup");
	own_capabilities(&t->cap_effective, &t->cap_permitted);
	read_file("/proc/self/cmdline", t->args, sizeof(t->args), &size);
	t->argc = (uint32_t)argc;
	t->args_size = (uint32_t)size;
	n = read_file("/proc/self/comm", t->comm, sizeof(t->comm), NULL);
	if (n && t->comm[n - 1] == '\n')
		t->comm[n - 1] = '\0';
	read_link("/proc/self/exe", t->exe, sizeof(t->exe));
	read_link("/proc/self/cwd", t->cwd, sizeof(t->cwd));
	snprintf(t->filename, sizeof(t->filename), "%s", (const char *)getauxval(AT_EXECFN));
}

__attribute__((constructor)) static void play_role(int argc, char **argv, char **envp)
{
	static struct truth t;

	(void)argv;
	while (*envp && strncmp(*envp, ROLE, sizeof(ROLE) - 1))
		envp++;
	if (!*envp)
		return;
	if (!strcmp(*envp, stimulus_report[0])) {
		know_thyself(&t, argc);
		if (pwrite(TRUTH_FD, &t, sizeof(t), 0) != sizeof(t))
			_exit(1);
	}
	_exit(0);
}

void truth_open(void)
{
	int fd = memfd_create("truth", 0);

	REQUIRE(fd >= 0 && dup2(fd, TRUTH_FD) == TRUTH_FD, "memfd: %s", strerror(errno));
	close(fd);
}

bool truth_take(struct truth *ret)
{
	ssize_t n = pread(TRUTH_FD, ret, sizeof(*ret), 0);

	if (ftruncate(TRUTH_FD, 0))
		return false;
	return n == sizeof(*ret);
}

/* ---- children ---- */

pid_t child_start(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

struct ended child_end(pid_t pid)
{
	struct ended e = { .pid = pid };
	struct proc_stat st;
	siginfo_t info;
	char text[16];

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	snprintf(text, sizeof(text), "%d", pid);
	st = read_stat(text);
	e.start_ticks = st.start_ticks;
	e.user_ticks = st.user_ticks;
	e.system_ticks = st.system_ticks;
	REQUIRE(wait4(pid, &e.status, 0, &e.usage) == pid, "waiting for %d: %s", pid, strerror(errno));
	return e;
}

void child_name(const char *comm)
{
	prctl(PR_SET_NAME, comm);
}

struct ended child_run(int (*fn)(void *arg), void *arg)
{
	return child_end(child_start(fn, arg));
}

struct thread {
	int (*fn)(void *arg);
	void *arg;
	pid_t tid;
	bool told;
};

static void *run_thread(void *arg)
{
	struct thread *t = arg, mine = *t;

	t->tid = (pid_t)syscall(SYS_gettid);
	__atomic_store_n(&t->told, true, __ATOMIC_RELEASE); /* t is gone from here */
	mine.fn(mine.arg);
	syscall(SYS_exit, 0);
	return NULL;
}

pid_t thread_start(int (*fn)(void *arg), void *arg)
{
	struct thread t = { .fn = fn, .arg = arg };
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	if (pthread_create(&thread, &attr, run_thread, &t))
		return -1;
	while (!__atomic_load_n(&t.told, __ATOMIC_ACQUIRE))
		sched_yield();
	return t.tid;
}

struct gate gate_make(void)
{
	struct gate g;

	REQUIRE(!pipe2(g.fds, O_CLOEXEC), "pipe: %s", strerror(errno));
	return g;
}

void gate_wait(struct gate *g)
{
	char byte;

	close(g->fds[1]);
	while (read(g->fds[0], &byte, 1) < 0 && errno == EINTR)
		;
}

void gate_open(struct gate *g)
{
	char bytes[64] = { 0 };

	/* Not by closing it alone: children that were started later hold it open. */
	CHECK(write(g->fds[1], bytes, sizeof(bytes)) > 0, "opening a gate: %s", strerror(errno));
	close(g->fds[1]);
	close(g->fds[0]);
}

/* ---- files ---- */

void copy_program(const char *from, const char *to)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	static char buf[1 << 16];
	ssize_t n;

	REQUIRE(in >= 0 && out >= 0, "copying %s to %s: %s", from, to, strerror(errno));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		REQUIRE(write(out, buf, (size_t)n) == n, "writing %s: %s", to, strerror(errno));
	REQUIRE(!fchmod(out, 0755), "%s: %s", to, strerror(errno)); /* whatever the umask is */
}

void write_file(const char *path, const char *text, mode_t mode)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	size_t n = strlen(text);

	REQUIRE(fd >= 0 && write(fd, text, n) == (ssize_t)n && !fchmod(fd, mode), "%s: %s", path, strerror(errno));
}

void stimulus_dir(char *dir, size_t dir_size, char *program, size_t program_size)
{
	snprintf(dir, dir_size, "/tmp/tapio-live-XXXXXX");
	REQUIRE(mkdtemp(dir) && !chmod(dir, 0755), "%s: %s", dir, strerror(errno));
	snprintf(program, program_size, "%s/program", dir);
	copy_program("/proc/self/exe", program);
}

static void remove_at(int at, const char *name)
{
	int fd;
	DIR *dir;

	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove_at(fd, entry->d_name);
	if (dir)
		closedir(dir);
	unlinkat(at, name, AT_REMOVEDIR);
}

void remove_tree(const char *path)
{
	remove_at(AT_FDCWD, path);
}

bool execveat_takes_descriptors(void)
{
	char *argv[] = { "probe", NULL };
	int status = -1, fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		syscall(SYS_execveat, fd, "", argv, stimulus_quiet, AT_EMPTY_PATH);
		_exit(errno == ENOENT ? 1 : 2);
	}
	close(fd);
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 1;
}

/* ---- cgroups ---- */

bool own_cgroup(char *path, size_t size)
{
	char text[8192], *line;
	const char *v2;

	cgroup_mode_detect(&v2);
	if (!v2)
		return false;
	text[0] = '\n';
	text[1 + read_file("/proc/self/cgroup", text + 1, sizeof(text) - 2, NULL)] = '\0';
	line = strstr(text, "\n0::");
	if (!line)
		return false;
	line += 4;
	return snprintf(path, size, "%s%.*s", v2, (int)strcspn(line, "\n"), line) < (int)size;
}

uint64_t own_cgroup_id(void)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	uint64_t id;

	if (!own_cgroup(path, sizeof(path)))
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || cgroup_id_of(fd, &id) ? 0 : id;
}
