/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are started in odd ways, each field of their records against what they say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/live/start.h"

static void add_long_arg(struct start *s, size_t length)
{
	char *text = malloc(length + 1);

	REQUIRE(text, "no memory");
	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + i % 26);
	text[length] = '\0';
	start_add_arg(s, text);
	free(text);
}

static void odd_path(struct start *s)
{
	start_name(s, "with spaces, \"quotes\" and\n\xff\xfe");
	start_add_arg(s, "not\tits name");
}

static void long_name(struct start *s)
{
	start_name(s, "a-name-that-is-longer-than-a-comm");
	start_add_arg(s, s->path);
}

static void symbolic_link(struct start *s)
{
	char target[PATH_MAX];

	start_name(s, "target");
	memcpy(target, s->path, sizeof(target));
	snprintf(s->path, sizeof(s->path), "%s/link", s->l->dir);
	REQUIRE(!symlink(target, s->path) || errno == EEXIST, "%s: %s", s->path, strerror(errno));
	start_add_arg(s, s->path);
}

static void relative_path(struct start *s)
{
	start_name(s, "relative");
	strcpy(s->path, "./relative");
	start_add_arg(s, s->path);
}

static int start_relative(struct start *s)
{
	return chdir(s->l->dir) ? errno : start_become(s);
}

static void script(struct start *s)
{
	char text[PATH_MAX + 64];

	start_name(s, "interpreter");
	snprintf(text, sizeof(text), "#!%s -x one argument\necho\n", s->path);
	snprintf(s->path, sizeof(s->path), "%s/script", s->l->dir);
	write_file(s->path, text, 0755);
	start_add_arg(s, "a name that no script sees");
	start_add_arg(s, "argument of the script");
}

static int execute_at(int fd, const char *path, const struct start *s)
{
	syscall(SYS_execveat, fd, path, s->argv, stimulus_report, *path ? 0 : AT_EMPTY_PATH);
	return errno == ENOENT && !execveat_takes_descriptors() ? START_NOT_HERE : errno;
}

static int start_by_fd(struct start *s)
{
	return execute_at(open(s->path, O_RDONLY), "", s);
}

static int start_by_directory(struct start *s)
{
	return execute_at(open(s->l->dir, O_RDONLY | O_DIRECTORY), "plain", s);
}

static int start_memfd(struct start *s)
{
	int fd = memfd_create("in memory", 0);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy_program(s->l->program, path);
	return execute_at(fd, "", s);
}

static int start_deleted(struct start *s)
{
	int fd;

	start_name(s, "deleted");
	fd = open(s->path, O_RDONLY);
	if (unlink(s->path))
		return errno;
	return execute_at(fd, "", s);
}

static int start_in_deleted_cwd(struct start *s)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s/gone", s->l->dir);
	if (mkdir(dir, 0755) || chdir(dir) || rmdir(dir))
		return errno;
	return start_become(s);
}

static int start_in_root(struct start *s)
{
	return chdir("/") ? errno : start_become(s);
}

/* A tree of n directories whose names are `length` long. */
static void long_cwd(struct start *s, unsigned n, unsigned length)
{
	size_t at = (size_t)snprintf(s->cwd, sizeof(s->cwd), "%s", s->l->dir);

	start_plain(s);
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(s->cwd + at, sizeof(s->cwd) - at, "/%0*u", (int)length, i);
}

static void deep_cwd(struct start *s)
{
	long_cwd(s, 70, 2);
}

static void wide_cwd(struct start *s)
{
	long_cwd(s, 20, 250);
}

static int start_in_long_cwd(struct start *s)
{
	char *save, *name;

	if (chdir(s->l->dir))
		return errno;
	for (name = strtok_r(s->cwd + strlen(s->l->dir), "/", &save); name; name = strtok_r(NULL, "/", &save))
		if ((mkdir(name, 0755) && errno != EEXIST) || chdir(name))
			return errno;
	return start_become(s);
}

static void no_arguments(struct start *s)
{
	start_name(s, "plain");
}

static void huge_argument(struct start *s)
{
	start_name(s, "plain");
	start_add_arg(s, "first");
	add_long_arg(s, 100 << 10);
	start_add_arg(s, "last");
}

static void many_arguments(struct start *s)
{
	char text[32];

	start_name(s, "plain");
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		start_add_arg(s, text);
	}
}

/* As many bytes as a record carries. */
static void exactly_fitting(struct start *s)
{
	start_name(s, "plain");
	start_add_arg(s, "first");
	add_long_arg(s, TAPIO_ARGS_MAX - sizeof("first") - 1);
}

static void one_too_long(struct start *s)
{
	start_name(s, "plain");
	start_add_arg(s, "first");
	add_long_arg(s, TAPIO_ARGS_MAX - sizeof("first"));
}

/* Its start is missing: what there is must be the end of the truth, and as much as a record holds. */
static bool cut_cwd(const struct live *l, const struct event_view *view, struct truth *t,
		    const struct start *s)
{
	static char got[EVENT_PATH_BUF];
	const size_t cut = sizeof(EVENT_PATH_CUT) - 1;
	const struct event_field *field;
	unsigned index, components = 0;
	const char *cwd = s->cwd;
	size_t n, want = strlen(cwd);

	(void)t;
	if (live_giving(l, view, "process.working_directory") != GIVES_EXACT)
		return false;
	field = live_field(view, "process.working_directory", &index);
	n = event_path(view, field, got);
	CHECK(event_path_flags(view, field) == TAPIO_PATH_TRUNCATED, "%s: flags %#x", l->name,
	      event_path_flags(view, field));
	CHECK(n > cut && n - cut <= want && !memcmp(got, EVENT_PATH_CUT, cut) && got[cut] == '/' &&
		      !memcmp(got + cut, cwd + want - (n - cut), n - cut),
	      "%s: the directory is %.80s (%zu bytes), which is not the end of %.80s", l->name, got, n, cwd);
	for (size_t i = 0; i < n; i++)
		components += got[i] == '/';
	CHECK(components == 64 || n > TAPIO_PATH_MAX - 512, "%s: cut at %u components, %zu bytes", l->name,
	      components, n);
	return false;
}

static const struct start_case cases[] = {
	{ .name = "plain", .prepare = start_plain },
	{ .name = "path with spaces", .prepare = odd_path },
	{ .name = "long name", .prepare = long_name },
	{ .name = "symbolic link", .prepare = symbolic_link },
	{ .name = "relative path", .prepare = relative_path, .start = start_relative },
	{ .name = "script", .prepare = script },
	{ .name = "fexecve", .prepare = start_plain, .start = start_by_fd },
	{ .name = "execveat", .prepare = start_plain, .start = start_by_directory },
	{ .name = "memfd", .prepare = start_plain, .start = start_memfd },
	{ .name = "deleted program", .prepare = start_plain, .start = start_deleted },
	{ .name = "deleted directory", .prepare = start_plain, .start = start_in_deleted_cwd },
	{ .name = "root directory", .prepare = start_plain, .start = start_in_root },
	{ .name = "deep directory", .prepare = deep_cwd, .start = start_in_long_cwd, .check = cut_cwd },
	{ .name = "long directory", .prepare = wide_cwd, .start = start_in_long_cwd, .check = cut_cwd },
	{ .name = "no arguments", .prepare = no_arguments },
	{ .name = "an argument of 100 KiB", .prepare = huge_argument },
	{ .name = "2,000 arguments", .prepare = many_arguments },
	{ .name = "arguments that just fit", .prepare = exactly_fitting },
	{ .name = "one byte too many", .prepare = one_too_long },
};

static void start_programs(struct live *l)
{
	truth_open();
	live_start(l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		start_case(l, &cases[i]);
}

TEST(live, exec_programs)
{
	live_on_every_tier(start_programs);
}
