/* SPDX-License-Identifier: Apache-2.0 */
/* Who a program is: users, capabilities, namespaces, mounts and roots, threads that start it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/start.h"

enum { USER = 1234, GROUP = 1235, OWNER = 4321, OWNER_GROUP = 4322 };

/* ---- users and capabilities ---- */

static int be_user(void)
{
	return setgroups(0, NULL) || setresgid(GROUP, GROUP, GROUP) || setresuid(USER, USER, USER) ? errno : 0;
}

static int start_as_user(struct start *s)
{
	int err = be_user();

	return err ? err : start_become(s);
}

static bool is_user(const struct live *l, const struct event_view *view, struct truth *t, const struct start *s)
{
	(void)view;
	(void)s;
	CHECK(t->uid == USER && t->euid == USER && t->gid == GROUP && t->egid == GROUP && !t->cap_effective,
	      "%s: uid %u, euid %u", l->name, t->uid, t->euid);
	return true;
}

/* A copy, not a link: the owner is the file's, not the name's. */
static void set_user_id(struct start *s)
{
	snprintf(s->path, sizeof(s->path), "%s/set-user-id", s->l->dir);
	if (access(s->path, F_OK)) {
		copy_program(s->l->program, s->path);
		REQUIRE(!chown(s->path, OWNER, OWNER_GROUP) && !chmod(s->path, 06755), "%s: %s", s->path,
			strerror(errno));
	}
	start_add_arg(s, "set-user-id");
}

static bool is_owner(const struct live *l, const struct event_view *view, struct truth *t, const struct start *s)
{
	struct statvfs fs;

	(void)view;
	if (!statvfs(s->l->dir, &fs) && fs.f_flag & ST_NOSUID)
		return true;
	CHECK(t->uid == USER && t->euid == OWNER && t->gid == GROUP && t->egid == OWNER_GROUP,
	      "%s: uid %u, euid %u, gid %u, egid %u", l->name, t->uid, t->euid, t->gid, t->egid);
	return true;
}

static int start_without_capabilities(struct start *s)
{
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) || prctl(PR_CAPBSET_DROP, CAP_AUDIT_READ))
		return errno;
	return start_become(s);
}

static bool lacks_capabilities(const struct live *l, const struct event_view *view, struct truth *t,
			       const struct start *s)
{
	uint64_t dropped = 1ull << CAP_SYS_TIME | 1ull << CAP_AUDIT_READ, effective, permitted;

	(void)view;
	(void)s;
	own_capabilities(&effective, &permitted);
	CHECK(t->cap_effective == (effective & ~dropped) && t->cap_effective != effective,
	      "%s: effective %#llx of %#llx", l->name, (unsigned long long)t->cap_effective,
	      (unsigned long long)effective);
	return true;
}

/* ---- namespaces ---- */

/* Runs the program as process 1 of a new pid namespace, with all that can be new besides. */
static int start_in_namespaces(struct start *s)
{
	int status, err;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS))
		return errno == EINVAL || errno == EPERM ? START_NOT_HERE : errno;
	pid = fork();
	if (!pid) {
		err = start_become(s);
		_exit(err);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? 1 : 0;
}

static bool in_namespaces(const struct live *l, const struct event_view *view, struct truth *t,
			  const struct start *s)
{
	(void)view;
	(void)s;
	CHECK(t->vpid == 1 && t->pid != 1, "%s: pid %d, vpid %d", l->name, t->pid, t->vpid);
	CHECK(t->pid_ns != own_namespace("pid") && t->mnt_ns != own_namespace("mnt") &&
		      t->net_ns != own_namespace("net") && t->cgroup_ns != own_namespace("cgroup"),
	      "%s: not all namespaces are new", l->name);
	return true;
}

static bool tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

/* User 7 in there is user 0 outside. */
static int start_in_user_namespace(struct start *s)
{
	if (unshare(CLONE_NEWUSER))
		return START_NOT_HERE;
	if (!tell("/proc/self/setgroups", "deny") || !tell("/proc/self/uid_map", "7 0 1") ||
	    !tell("/proc/self/gid_map", "8 0 1"))
		return errno;
	return start_become(s);
}

/* It thinks in numbers of its own namespace; records are in those of the first. */
static bool in_user_namespace(const struct live *l, const struct event_view *view, struct truth *t,
			      const struct start *s)
{
	(void)view;
	(void)s;
	CHECK(t->uid == 7 && t->euid == 7 && t->gid == 8 && t->egid == 8, "%s: uid %u, gid %u", l->name, t->uid,
	      t->gid);
	CHECK(t->user_ns != own_namespace("user"), "%s: the user namespace is not new", l->name);
	t->uid = t->euid = getuid();
	t->gid = t->egid = getgid();
	return true;
}

/* ---- mounts and roots ---- */

static int enter_private_mount(const struct start *s, char *where)
{
	snprintf(where, PATH_MAX, "%s/mount", s->l->dir);
	if ((mkdir(where, 0755) && errno != EEXIST) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return errno;
	return mount("tmpfs", where, "tmpfs", 0, NULL) ? errno : 0;
}

/* The program and its directory lie in a file system that is mounted within another one. */
static int start_in_mount(struct start *s)
{
	char where[PATH_MAX];
	int err = enter_private_mount(s, where);

	if (err)
		return err;
	strncat(where, "/inner", sizeof(where) - strlen(where) - 1);
	if (mkdir(where, 0755) || chdir(where))
		return errno;
	snprintf(s->path, sizeof(s->path), "%.*s/program", PATH_MAX - 16, where);
	copy_program(s->l->program, s->path);
	return start_become(s);
}

/* The program is in the mount's root; so is the directory, which has no name there. */
static int start_at_mount_root(struct start *s)
{
	char where[PATH_MAX];
	int err = enter_private_mount(s, where);

	if (err || chdir(where))
		return err ? err : errno;
	copy_program(s->l->program, "./program");
	strcpy(s->path, "./program");
	return start_become(s);
}

static int start_in_root_directory(struct start *s)
{
	if (chroot(s->l->dir) || chdir("/"))
		return errno;
	strcpy(s->path, "/plain");
	return start_become(s);
}

/* No /proc in there: what the program could not know is what this test chose. */
static bool in_root_directory(const struct live *l, const struct event_view *view, struct truth *t,
			      const struct start *s)
{
	(void)t;
	(void)s;
	expect_path(l, view, "process.executable.path", "/plain");
	expect_path(l, view, "process.working_directory", "/");
	expect_text(l, view, "process.exec.filename", "/plain");
	return false;
}

/* ---- who calls execve ---- */

static void *become_in_thread(void *arg)
{
	start_become(arg);
	return NULL;
}

/* Another thread than the first: afterwards it is the first. */
static int start_by_thread(struct start *s)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, become_in_thread, s);

	if (!err)
		pthread_join(thread, NULL);
	return err ? err : ENOEXEC;
}

/* The first thread has left already. */
static int start_by_last_thread(struct start *s)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, become_in_thread, s);

	if (!err)
		syscall(SYS_exit, 0);
	return err;
}

static int start_by_vfork(struct start *s)
{
	volatile int err = 0;
	int status;
	pid_t pid = vfork();

	if (!pid) {
		err = start_become(s);
		_exit(1);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return err ? err : status;
}

static const struct start_case cases[] = {
	{ .name = "user", .prepare = start_plain, .start = start_as_user, .check = is_user },
	{ .name = "set-user-id", .prepare = set_user_id, .start = start_as_user, .check = is_owner },
	{ .name = "capabilities", .prepare = start_plain, .start = start_without_capabilities,
	  .check = lacks_capabilities },
	{ .name = "namespaces", .prepare = start_plain, .start = start_in_namespaces,
	  .check = in_namespaces, .grandchild = true },
	{ .name = "user namespace", .prepare = start_plain, .start = start_in_user_namespace,
	  .check = in_user_namespace },
	{ .name = "mount", .prepare = start_plain, .start = start_in_mount },
	{ .name = "root of a mount", .prepare = start_plain, .start = start_at_mount_root },
	{ .name = "chroot", .prepare = start_plain, .start = start_in_root_directory,
	  .check = in_root_directory },
	{ .name = "thread", .prepare = start_plain, .start = start_by_thread },
	{ .name = "last thread", .prepare = start_plain, .start = start_by_last_thread },
	{ .name = "vfork", .prepare = start_plain, .start = start_by_vfork, .grandchild = true },
};

static void start_as_others(struct live *l)
{
	truth_open();
	live_start(l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		start_case(l, &cases[i]);
}

TEST(live, exec_identities)
{
	live_on_every_tier(start_as_others);
}
