/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that cannot be started: the path as it was given, and why. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/* One call that must fail. In memory that the child shares with the test: the child says what it saw. */
struct failure {
	const struct live *l;
	const struct failure_case *c;
	char dir_path[PATH_MAX]; /* of a file in the test's directory */
	const char *given;       /* what execve gets as path */
	int error;               /* what it said */
	pid_t tid;               /* who asked */
	char long_path[2 * PATH_MAX];
};

struct failure_case {
	const char *name;
	const char *file; /* in the test's directory */
	int error;        /* what it must be */
	int (*call)(struct failure *f); /* returns the errno; NULL: execve of the file's path */
};

static int plain_call(struct failure *f)
{
	char *argv[] = { "argument", NULL };

	execve(f->given, argv, stimulus_quiet);
	return errno;
}

static int by_directory(struct failure *f)
{
	char *argv[] = { "argument", NULL };
	int fd = open(f->l->dir, O_RDONLY | O_DIRECTORY);

	f->given = f->c->file;
	syscall(SYS_execveat, fd, f->given, argv, stimulus_quiet, 0);
	return errno;
}

static int by_descriptor(struct failure *f)
{
	char *argv[] = { "argument", NULL };
	int fd = open(f->given, O_RDONLY);

	f->given = "";
	syscall(SYS_execveat, fd, "", argv, stimulus_quiet, AT_EMPTY_PATH);
	return errno;
}

static int no_follow(struct failure *f)
{
	char *argv[] = { "argument", NULL };

	syscall(SYS_execveat, AT_FDCWD, f->given, argv, stimulus_quiet, AT_SYMLINK_NOFOLLOW);
	return errno;
}

static int bad_flags(struct failure *f)
{
	char *argv[] = { "argument", NULL };

	syscall(SYS_execveat, AT_FDCWD, f->given, argv, stimulus_quiet, 0x40000000);
	return errno;
}

static int empty_path(struct failure *f)
{
	f->given = "";
	return plain_call(f);
}

static int bad_pointer(struct failure *f)
{
	char *argv[] = { "argument", NULL };

	f->given = "";
	syscall(SYS_execve, (void *)16, argv, stimulus_quiet);
	return errno;
}

/* One argument longer than any may be. */
static int too_big(struct failure *f)
{
	size_t n = 32 * (size_t)sysconf(_SC_PAGESIZE);
	char *text = malloc(n + 1), *argv[] = { text, NULL };

	memset(text, 'x', n);
	text[n] = '\0';
	execve(f->given, argv, stimulus_quiet);
	return errno;
}

static int too_long(struct failure *f)
{
	memset(f->long_path, 'p', sizeof(f->long_path) - 1);
	f->given = f->long_path;
	return plain_call(f);
}

static void *call_in_thread(void *arg)
{
	struct failure *f = arg;

	f->tid = (pid_t)syscall(SYS_gettid);
	f->error = plain_call(f);
	return NULL;
}

static int by_thread(struct failure *f)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, call_in_thread, f) || pthread_join(thread, NULL))
		return EAGAIN;
	return f->error;
}

static const struct failure_case cases[] = {
	{ "missing", "no such file", ENOENT, NULL },
	{ "not executable", "not-executable", EACCES, NULL },
	{ "a directory", "", EACCES, NULL },
	{ "no format", "garbage", ENOEXEC, NULL },
	{ "below a file", "garbage/program", ENOTDIR, NULL },
	{ "missing interpreter", "script-of-nobody", ENOENT, NULL },
	{ "loop of links", "loop", ELOOP, NULL },
	{ "too big", "program", E2BIG, too_big },
	{ "path too long", "program", ENAMETOOLONG, too_long },
	{ "empty path", "program", ENOENT, empty_path },
	{ "bad pointer", "program", EFAULT, bad_pointer },
	{ "execveat", "no such file", ENOENT, by_directory },
	{ "execveat of a descriptor", "garbage", ENOEXEC, by_descriptor },
	{ "execveat of a link", "link", ELOOP, no_follow },
	{ "execveat with bad flags", "program", EINVAL, bad_flags },
	{ "thread", "no such file", ENOENT, by_thread },
};

static int in_child(void *arg)
{
	struct failure *f = arg;

	f->tid = getpid();
	f->error = f->c->call ? f->c->call(f) : plain_call(f);
	return 0;
}

static void make_files(const struct live *l)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
	} files[] = {
		{ "not-executable", "#!/nothing\n", 0644 },
		{ "garbage", "\x01\x02 this is no program", 0755 },
		{ "script-of-nobody", "#!/no/such/interpreter\n", 0755 },
	};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", l->dir, files[i].name);
		write_file(path, files[i].text, files[i].mode);
	}
	snprintf(path, sizeof(path), "%s/loop", l->dir);
	CHECK(!symlink("loop", path) || errno == EEXIST, "%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s/link", l->dir);
	CHECK(!symlink("program", path) || errno == EEXIST, "%s: %s", path, strerror(errno));
}

static void expect_failure(struct live *l, const struct failure *f, const struct ended *ended)
{
	const struct event_view *view = live_one(l, TAPIO_EV_PROCESS_EXEC_FAILED, ended->pid);
	size_t n = strlen(f->given);

	CHECK(!live_count(l, TAPIO_EV_PROCESS_EXEC, ended->pid), "%s: failed, reported as a start", l->name);
	live_one(l, TAPIO_EV_PROCESS_EXIT, ended->pid);
	expect_number(l, view, "process.exec.errno", f->error);
	expect_number(l, view, "error.type", f->error);
	expect_number(l, view, "process.pid", ended->pid);
	expect_number(l, view, "process.tid", f->tid);
	expect_text(l, view, "process.executable.name", "tapio-failing");
	if (l->cgroup_id)
		expect_number(l, view, "cgroup.id", (int64_t)l->cgroup_id);
	expect_bytes(l, view, "process.exec.filename", f->given, n < TAPIO_PATH_MAX ? n : TAPIO_PATH_MAX - 1);
}

static void run_case(struct live *l, const struct failure_case *c, struct failure *f)
{
	struct ended ended;

	live_about(l, c->name);
	memset(f, 0, sizeof(*f));
	f->l = l;
	f->c = c;
	f->given = f->dir_path;
	snprintf(f->dir_path, sizeof(f->dir_path), "%s/%s", l->dir, c->file);
	ended = child_run(in_child, f);
	CHECK(!ended.status && f->error == c->error, "%s: wait status %#x, %s", l->name, ended.status,
	      strerror(f->error));
	live_drain(l);
	expect_failure(l, f, &ended);
}

static void fail_to_start(struct live *l)
{
	struct failure *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(f != MAP_FAILED, "mmap: %s", strerror(errno));
	make_files(l);
	child_name("tapio-failing");
	live_start(l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].call == by_descriptor && !execveat_takes_descriptors())
			printf("    skipped: %s: execveat of a descriptor does not work on this kernel\n", l->name);
		else
			run_case(l, &cases[i], f);
	}
	munmap(f, sizeof(*f));
}

TEST(live, exec_failures)
{
	live_on_every_tier(fail_to_start);
}
