/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up is gone, for every thread; what the agent does still works. */
#include "base/privilege.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "tests/test.h"

/* A line of /proc/thread-self/status as a number. */
static uint64_t status(const char *key)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/thread-self/status", "re");
	char line[256];

	REQUIRE(f, "/proc/thread-self/status: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			return strtoull(line + strlen(key) + 1, NULL, 16);
	test_failed(__FILE__, __LINE__, "no %s in /proc/thread-self/status", key);
	return 0;
}

static void check_kept(const char *who, uint64_t want, uint64_t bounding)
{
	static const char *const none[] = { "CapInh", "CapAmb" }, *const kept[] = { "CapPrm", "CapEff" };

	for (size_t i = 0; i < COUNT_OF(none); i++)
		CHECK(!status(none[i]), "%s: %s is %#lx", who, none[i], status(none[i]));
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		CHECK(status(kept[i]) == want, "%s: %s is %#lx, not %#lx", who, kept[i], status(kept[i]), want);
	CHECK(status("CapBnd") == bounding, "%s: CapBnd is %#lx, not %#lx", who, status("CapBnd"), bounding);
	CHECK(status("NoNewPrivs") == 1, "%s: no_new_privs is not set", who);
}

static unsigned own_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

struct kept {
	uint64_t want, bounding;
};

static void *later_thread(void *arg)
{
	const struct kept *kept = arg;

	check_kept("a later thread", kept->want, kept->bounding);
	return NULL;
}

TEST(unit, privilege_keep)
{
	const uint64_t caps = 1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_SYS_PTRACE | 1ull << CAP_BPF;
	uint64_t had = host_capabilities(), bounding = status("CapBnd");
	struct kept kept = { had & caps, had >> CAP_SETPCAP & 1 ? bounding & caps : bounding };
	char why[128] = "";
	pthread_t thread;
	int err;

	if (own_threads() > 1)
		SKIP("an emulator has threads of its own in this process");
	err = privilege_keep(caps, why, sizeof(why));
	REQUIRE(!err, "%s", why);
	check_kept("the first thread", kept.want, kept.bounding);
	REQUIRE(!pthread_create(&thread, NULL, later_thread, &kept), "no second thread");
	pthread_join(thread, NULL);
}

TEST(unit, privilege_exists)
{
	CHECK(privilege_exists(CAP_SYS_ADMIN), "no CAP_SYS_ADMIN");
	CHECK(!privilege_exists(63), "there is a capability 63");
}

static int hold[2];

static void *waiting_thread(void *arg)
{
	char byte;

	return read(hold[0], &byte, 1) == 1 ? arg : NULL;
}

TEST(unit, privilege_keep_refuses_threads)
{
	uint64_t had = host_capabilities();
	char why[128] = "";
	pthread_t thread;
	int err;

	REQUIRE(!pipe(hold) && !pthread_create(&thread, NULL, waiting_thread, NULL), "no second thread");
	err = privilege_keep(0, why, sizeof(why));
	CHECK(err == -EBUSY, "%d instead of -EBUSY", err);
	CHECK(strstr(why, "threads"), "the reason is '%s'", why);
	CHECK(host_capabilities() == had, "capabilities changed from %#lx to %#lx", had, host_capabilities());
}

/* ---- system calls ---- */

/* Ends the test as skipped where the kernel has no seccomp; emulators have none. */
static void restrict_calls(unsigned flags)
{
	char why[128] = "";
	int err = privilege_seccomp(flags, why, sizeof(why));

	if (err == -ENOSYS)
		SKIP("%s", why);
	REQUIRE(!err, "%d: %s", err, why);
}

#define REFUSED(what, call) refused(what, (errno = 0, (long)(call)), EPERM)

static void refused(const char *what, long got, int want)
{
	int error = errno;

	CHECK(got == -1 && error == want, "%s: returned %ld, %s", what, got, strerror(error));
}

static void check_sockets_refused(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(tcp >= 0, "socket: %s", strerror(errno));
	REFUSED("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	REFUSED("a raw socket", socket(AF_INET, SOCK_RAW, 1));
	REFUSED("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	REFUSED("a datagram socket", socket(AF_INET, SOCK_DGRAM, 0));
	REFUSED("a datagram socket", socket(AF_INET6, SOCK_DGRAM, 0));
	REFUSED("SCTP", socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
	REFUSED("connect", connect(tcp, (void *)&to, sizeof(to)));
	REFUSED("sendto that connects", sendto(tcp, "x", 1, MSG_FASTOPEN, (void *)&to, sizeof(to)));
	close(tcp);
}

static void check_refused(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	union bpf_attr attr = {};

	CHECK(page != MAP_FAILED, "mmap: %s", strerror(errno));
	REFUSED("mmap PROT_EXEC", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	REFUSED("mprotect PROT_EXEC", mprotect(page, 4096, PROT_READ | PROT_EXEC));
	REFUSED("unshare", unshare(CLONE_NEWNS));
	REFUSED("setns", syscall(SYS_setns, 0, 0));
	REFUSED("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	REFUSED("fsopen", syscall(SYS_fsopen, "tracefs", 0));
	REFUSED("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	REFUSED("kill", kill(getppid(), 0));
	REFUSED("bpf BPF_ENABLE_STATS", syscall(SYS_bpf, BPF_ENABLE_STATS, &attr, sizeof(attr)));
	REFUSED("bpf BPF_PROG_GET_FD_BY_ID", syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr)));
	REFUSED("prctl PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	REFUSED("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED("a call that no kernel has", syscall(0x3000));
	refused("clone3", (errno = 0, syscall(SYS_clone3, NULL, 0)), ENOSYS);
	check_sockets_refused();
}

TEST(unit, seccomp_refuses)
{
	restrict_calls(0);
	check_refused();
	REFUSED("fork", fork());
}

static void check_loopback(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	CHECK(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "setsockopt: %s", strerror(errno));
	CHECK(!bind(fd, (void *)&at, sizeof(at)) && !listen(fd, 1) && !getsockname(fd, (void *)&at, &length),
	      "listening: %s", strerror(errno));
	close(fd);
}

static void check_files(void)
{
	char name[] = "/tmp/tapio-privilege-XXXXXX", old[64];
	int fd = mkstemp(name);

	snprintf(old, sizeof(old), "%s.1", name);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && !fsync(fd) && !fchmod(fd, 0600) && !rename(name, old),
	      "a file that is rotated: %s", strerror(errno));
	unlink(old);
	close(fd);
}

static void check_loop(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	struct epoll_event ev = { .events = EPOLLIN };

	CHECK(!timerfd_settime(timer, 0, &soon, NULL) && !epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &ev) &&
		      epoll_wait(epoll, &ev, 1, 5000) == 1,
	      "a timer in an event loop: %s", strerror(errno));
	close(epoll);
	close(timer);
}

static void *thread_that_allocates(void *arg)
{
	char *p = malloc(64 << 20);

	if (p)
		memset(p, 1, 64 << 20);
	free(p);
	return p ? arg : NULL;
}

static void check_works(void)
{
	pthread_t thread;
	void *ret = NULL;
	pid_t pid;
	int how = -1;

	check_loopback();
	check_files();
	check_loop();
	CHECK(!pthread_create(&thread, NULL, thread_that_allocates, hold), "no thread");
	pthread_join(thread, &ret);
	CHECK(ret == hold, "the thread could not allocate");
	pid = vfork();
	if (!pid) {
		execl("/proc/self/exe", "tapio-test", "--list", (char *)NULL);
		_exit(99);
	}
	CHECK(pid > 0 && waitpid(pid, &how, 0) == pid && WIFEXITED(how) && !WEXITSTATUS(how),
	      "executing itself: %s, status %#x", strerror(errno), (unsigned)how);
}

TEST(unit, seccomp_allows)
{
	int null = open("/dev/null", O_WRONLY), out = dup(STDOUT_FILENO);

	restrict_calls(PRIVILEGE_EXEC);
	dup2(null, STDOUT_FILENO); /* of the list that it prints */
	check_works();
	dup2(out, STDOUT_FILENO);
	check_refused();
}

static int verdict[2];

static void *thread_before(void *arg)
{
	char byte;

	(void)arg;
	if (read(hold[0], &byte, 1) != 1)
		return NULL;
	byte = unshare(CLONE_FILES) == -1 && errno == EPERM;
	return write(verdict[1], &byte, 1) == 1 ? &hold : NULL;
}

TEST(unit, seccomp_covers_earlier_threads)
{
	pthread_t thread;
	char byte = 0;

	REQUIRE(!pipe(hold) && !pipe(verdict) && !pthread_create(&thread, NULL, thread_before, NULL), "no thread");
	restrict_calls(0);
	CHECK(write(hold[1], "x", 1) == 1 && read(verdict[0], &byte, 1) == 1, "the thread says nothing");
	CHECK(byte == 1, "a thread that ran before is not restricted");
}

TEST(unit, seccomp_own_list)
{
	static const struct privilege_call calls[] = {
		{ .number = SYS_write }, { .number = SYS_exit_group }, { .number = SYS_wait4 },
	};
	char why[128] = "";
	int err = privilege_seccomp_only(calls, COUNT_OF(calls), why, sizeof(why));

	if (err == -ENOSYS)
		SKIP("%s", why);
	REQUIRE(!err, "%d: %s", err, why);
	REFUSED("getpid", syscall(SYS_getpid));
	REFUSED("open", open("/", O_RDONLY));
}
