/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tapio-test: every test in one static file, for a shell, for CI and for a guest where it is the
 * only program. As process 1 it mounts what it needs first and powers the guest off at the end.
 */
#include "tests/test.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"

extern const struct test *const __start_tapio_tests[], *const __stop_tapio_tests[];

enum { EXIT_SKIP = 77, DEFAULT_SECONDS = 60 };

static unsigned failures;
static unsigned time_factor = 1;

void test_failed(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	failures++;
	if (failures > 20)
		return;
	printf("    %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

void test_stop_if_failed(void)
{
	if (failures) {
		fflush(stdout);
		_exit(1);
	}
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	printf("    skipped: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(failures ? 1 : EXIT_SKIP);
}

void test_allow_seconds(unsigned seconds)
{
	alarm(seconds * time_factor);
}

static int run_one(const struct test *t)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int status;
	pid_t pid;

	printf("%s/%s\n", t->group, t->name);
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		printf("    fork: %s\n", strerror(errno));
		return 1;
	}
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(DEFAULT_SECONDS * time_factor);
		t->run();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL); /* what the test left running in its group */
	if (clock_ns(CLOCK_MONOTONIC) - start >= NS_PER_S)
		printf("    took %.1f s\n", (double)(clock_ns(CLOCK_MONOTONIC) - start) / (double)NS_PER_S);
	if (WIFSIGNALED(status)) {
		printf("    ended by signal %d%s\n", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? ": took too long" : "");
		return 1;
	}
	return WEXITSTATUS(status);
}

/* Some pattern matches, if there are any; and no pattern after a '!' does. */
static bool wanted(const struct test *t, int npatterns, char **patterns)
{
	bool some = false, any = false;
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", t->group, t->name);
	for (int i = 0; i < npatterns; i++) {
		bool negated = patterns[i][0] == '!';
		const char *pattern = patterns[i] + negated;
		bool matches = !fnmatch(pattern, full, 0) || !strcmp(pattern, t->group);

		if (matches && negated)
			return false;
		any |= matches;
		some |= !negated;
	}
	return any || !some;
}

static int run_all(int npatterns, char **patterns)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	for (const struct test *const *t = __start_tapio_tests; t < __stop_tapio_tests; t++) {
		int rc;

		if (!wanted(*t, npatterns, patterns))
			continue;
		rc = run_one(*t);
		if (!rc)
			passed++;
		else if (rc == EXIT_SKIP)
			skipped++;
		else {
			failed++;
			printf("    FAILED %s/%s\n", (*t)->group, (*t)->name);
		}
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	fflush(stdout);
	return failed || !(passed + skipped);
}

static void mount_or_say(const char *type, const char *where, unsigned long flags)
{
	mkdir(where, 0755);
	if (mount(type, where, type, flags, NULL) && errno != EBUSY)
		printf("mount %s on %s: %s\n", type, where, strerror(errno));
}

/* TAPIO_GUEST_CGROUP=v1 is a machine without cgroup v2; by default there is only v2. */
static void mount_cgroups(void)
{
	static const char *const v1[] = { "cpu,cpuacct", "pids", "freezer", "none,name=systemd" };
	const char *mode = getenv("TAPIO_GUEST_CGROUP");

	if (!mode || strcmp(mode, "v1")) {
		mount_or_say("cgroup2", "/sys/fs/cgroup", 0);
		return;
	}
	mount_or_say("tmpfs", "/sys/fs/cgroup", 0);
	for (unsigned i = 0; i < sizeof(v1) / sizeof(v1[0]); i++) {
		const char *name = strchr(v1[i], '=');
		char dir[64];

		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/%s", name ? name + 1 : v1[i]);
		mkdir(dir, 0755);
		if (mount("cgroup", dir, "cgroup", 0, v1[i]))
			printf("mount cgroup %s: %s\n", v1[i], strerror(errno));
	}
}

/* A guest with nothing in it but this file. */
static void be_init(void)
{
	struct utsname u;

	mkdir("/sys", 0755);
	mkdir("/tmp", 01777);
	mount_or_say("proc", "/proc", 0);
	mount_or_say("sysfs", "/sys", 0);
	mount_or_say("devtmpfs", "/dev", 0);
	mount_or_say("tmpfs", "/tmp", 0);
	mount_cgroups();
	uname(&u);
	printf("guest %s %s\n", u.release, u.machine);
	fflush(stdout);
}

static void guest_command(char *command)
{
	char *argv[16] = {}, *rest = NULL;
	int status = -1;
	pid_t pid;

	printf("guest runs %s\n", command);
	fflush(stdout);
	for (unsigned i = 0; i < 15 && (argv[i] = strtok_r(i ? NULL : command, " ", &rest)); i++)
		;
	pid = fork();
	if (!pid) {
		alarm(DEFAULT_SECONDS * time_factor);
		execv(argv[0], argv);
		printf("%s: %s\n", argv[0], strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	printf("guest ran: wait status %d\n", status);
	fflush(stdout);
}

/* Programs beside this one to run after the tests: TAPIO_GUEST_RUN="/PROGRAM ARG...;/PROGRAM ARG...". */
static void guest_commands(void)
{
	char *commands = getenv("TAPIO_GUEST_RUN"), *rest = NULL;

	for (char *c = commands ? strtok_r(commands, ";", &rest) : NULL; c; c = strtok_r(NULL, ";", &rest))
		guest_command(c);
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;
	int rc;

	if (argc > 1 && !strcmp(argv[1], "--list")) {
		for (const struct test *const *t = __start_tapio_tests; t < __stop_tapio_tests; t++)
			printf("%s/%s\n", (*t)->group, (*t)->name);
		return 0;
	}
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		printf("usage: tapio-test [--list] [[!]GROUP | [!]PATTERN]...\n"
		       "Runs the tests whose GROUP/NAME matches, all without one; none that matches after a '!'.\n"
		       "TAPIO_TEST_SLOW=N multiplies every time limit, for emulated machines.\n");
		return 0;
	}
	if (init)
		be_init();
	if (getenv("TAPIO_TEST_SLOW"))
		time_factor = (unsigned)atoi(getenv("TAPIO_TEST_SLOW"));
	if (init || !time_factor)
		time_factor = 10;
	rc = run_all(argc - 1, argv + 1);
	if (init) {
		guest_commands();
		printf("tapio-test exit %d\n", rc);
		fflush(stdout);
		sync();
		/* QEMU's machine does not power off after it was suspended. It ends at a reset too. */
		reboot(getenv("TAPIO_GUEST_SUSPEND") ? RB_AUTOBOOT : RB_POWER_OFF);
	}
	return rc;
}
