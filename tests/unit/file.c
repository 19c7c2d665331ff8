/* SPDX-License-Identifier: Apache-2.0 */
/* The file sink: whose file it is, rotation, full disks, files that others move, and kill -9. */
#include "tests/unit/queued.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "export/file.h"

static char dir[] = "/tmp/tapio-file-XXXXXX";

static void remove_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		CHECK(false, "%s", command);
}

static const char *at(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void make_dir(void)
{
	REQUIRE(mkdtemp(dir), "%s: %s", dir, strerror(errno));
}

/* A file system of its own, seen by this test only, which goes with it. */
static void mount_small(const char *options)
{
	make_dir();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", dir, "tmpfs", 0, options)) {
		int err = errno;

		remove_dir();
		SKIP("mounting needs root: %s", strerror(err));
	}
}

static void unmount_small(void)
{
	CHECK(!umount2(dir, MNT_DETACH), "umount: %s", strerror(errno));
	remove_dir();
}

static struct writer *open_file(const char *path, uint64_t max_bytes, unsigned keep)
{
	const struct file_options opts = { path, max_bytes, keep };
	char why[256] = "";
	struct writer *writer;
	int err = file_writer_open(&opts, why, sizeof(why), &writer);

	REQUIRE(!err, "%d: %s", err, why);
	return writer;
}

static struct event_sink *open_sink(const char *path, uint64_t max_bytes, unsigned keep, uint64_t retry_ns)
{
	const struct queued_options opts = { .name = path, .max_bytes = 1 << 20, .retry_ns = retry_ns,
					     .close_ns = NS_PER_S };
	struct event_sink *sink = queued_open(&opts, open_file(path, max_bytes, keep));

	REQUIRE(sink && !queued_start(sink), "open");
	return sink;
}

static void give(struct event_sink *sink, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to; i++)
		CHECK(!give_event(sink, i), "write %u", i);
	sink->flush(sink);
}

static struct sink_stats settle(const struct event_sink *sink)
{
	for (unsigned i = 0; i < 5000 && stats_of(sink).queue_events; i++)
		usleep(1000);
	return stats_of(sink);
}

static void check_open(const char *path, int expected, const char *text)
{
	const struct file_options opts = { path, 0, 0 };
	char why[256] = "";
	struct writer *writer = NULL;
	int err = file_writer_open(&opts, why, sizeof(why), &writer);

	CHECK(err == expected && strstr(why, path) && strstr(why, text) && !writer, "%s: %d: %s", path, err, why);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	REQUIRE(f && fputs(text, f) >= 0 && !fclose(f), "%s: %s", path, strerror(errno));
}

static void check_file(const char *path, const char *expected)
{
	char got[512] = "";
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(got, 1, sizeof(got) - 1, f) : 0;

	CHECK(f && n == strlen(expected) && !strcmp(got, expected), "%s: %s", path, f ? got : strerror(errno));
	if (f)
		fclose(f);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static int put_lines(struct writer *w, const char *lines, size_t *ret_written)
{
	return w->write(w, lines, strlen(lines), ret_written);
}

TEST(unit, file_mode)
{
	struct writer *w;
	struct stat st;

	make_dir();
	umask(0);
	w = open_file(at("new"), 0, 0);
	CHECK(!stat(at("new"), &st) && (st.st_mode & 07777) == 0600, "mode %o", st.st_mode);
	w->close(w);
	put_file(at("wide"), "{}\n");
	chmod(at("wide"), 04666);
	w = open_file(at("wide"), 0, 0);
	CHECK(!stat(at("wide"), &st) && (st.st_mode & 07777) == 0600, "mode %o", st.st_mode);
	w->close(w);
	umask(0777);
	w = open_file(at("dark"), 0, 0);
	CHECK(!stat(at("dark"), &st) && (st.st_mode & 07777) == 0600, "mode %o", st.st_mode);
	w->close(w);
	umask(022);
	w = open_file(at("also/new"), 0, 0);
	CHECK(!stat(at("also"), &st) && (st.st_mode & 07777) == 0700, "directory: mode %o", st.st_mode);
	w->close(w);
	remove_dir();
}

TEST(unit, file_refused)
{
	struct writer *w;

	make_dir();
	put_file(at("target"), "");
	REQUIRE(!symlink(at("target"), at("link")) && !mkfifo(at("fifo"), 0600) && !mkdir(at("dir"), 0700),
		"%s", strerror(errno));
	check_open(at("link"), -ELOOP, "symbolic link");
	check_open(at("fifo"), -EINVAL, "not a regular file");
	check_open(at("dir"), -EISDIR, "not a regular file");
	check_open("/dev/null", -EINVAL, "not a regular file");
	check_open(at("a/b/file"), -ENOENT, "the parent is missing");
	check_open(at("target/file"), -ENOTDIR, "Not a directory");
	w = open_file(at("target"), 0, 0);
	check_open(at("target"), -EBUSY, "another process");
	w->close(w);
	w = open_file(at("target"), 0, 0);
	w->close(w);
	remove_dir();
}

TEST(unit, file_rotates)
{
	struct writer *w;
	size_t written;

	make_dir();
	w = open_file(at("f"), 10, 2);
	CHECK(!put_lines(w, "1111\n2222\n", &written) && written == 10, "%zu", written);
	check_file(at("f"), "1111\n2222\n");
	CHECK(!put_lines(w, "333\n4444\n555555555555\n6\n7\n", &written) && written == 26, "%zu", written);
	check_file(at("f"), "6\n7\n");
	check_file(at("f.1"), "555555555555\n"); /* longer than any file may be: alone */
	check_file(at("f.2"), "333\n4444\n");
	CHECK(size_of(at("f.3")) < 0, "more kept than 2");
	w->close(w);
	w = open_file(at("f"), 10, 1); /* its size is taken over */
	CHECK(!put_lines(w, "888888\n", &written), "write");
	check_file(at("f"), "888888\n");
	check_file(at("f.1"), "6\n7\n");
	w->close(w);
	w = open_file(at("f"), 10, 0);
	CHECK(!put_lines(w, "9\n", &written), "write");
	check_file(at("f"), "888888\n9\n");
	CHECK(!put_lines(w, "10\n", &written), "write");
	check_file(at("f"), "10\n");
	check_file(at("f.1"), "6\n7\n");
	w->close(w);
	remove_dir();
}

TEST(unit, file_rotation_fails)
{
	struct writer *w;
	size_t written;

	make_dir();
	w = open_file(at("f"), 5, 1);
	REQUIRE(!mkdir(at("f.1"), 0700), "mkdir");
	CHECK(put_lines(w, "1111\n2222\n", &written) == -EISDIR && written == 5, "%zu", written);
	check_file(at("f"), "1111\n"); /* full it stays */
	rmdir(at("f.1"));
	CHECK(!put_lines(w, "2222\n", &written) && written == 5, "%zu", written);
	check_file(at("f"), "2222\n");
	check_file(at("f.1"), "1111\n");
	w->close(w);
	remove_dir();
}

/* Every event of many is in exactly one file, and no file is too large. */
TEST(unit, file_rotates_under_load)
{
	struct arrived arrived = { 0 };
	struct event_sink *sink;
	char name[16];

	make_dir();
	sink = open_sink(at("f"), 100000, 50, 0);
	for (uint32_t i = 1; i <= 20000; i += 500) {
		give(sink, i, i + 499);
		settle(sink);
	}
	CHECK(stats_of(sink).events == 20000 && !stats_of(sink).error, "written");
	sink->close(sink);
	for (int i = 50; i >= 0; i--) {
		snprintf(name, sizeof(name), i ? "f.%d" : "f", i);
		CHECK(size_of(at(name)) <= 100000, "%s is too large", name);
		arrived_file(&arrived, at(name));
	}
	CHECK(arrived.events == 20000 && !arrived.broken && !arrived.lost_lines, "%llu arrived",
	      (unsigned long long)arrived.events);
	CHECK(size_of(at("f.20")) > 90000, "hardly rotated");
	remove_dir();
}

TEST(unit, file_torn_line)
{
	struct writer *w;
	size_t written;

	make_dir();
	put_file(at("f"), "{\"a\":1}\n{\"a\":");
	w = open_file(at("f"), 0, 0);
	check_file(at("f"), "{\"a\":1}\n{\"a\":");
	CHECK(!put_lines(w, "{}\n{}\n", &written) && written == 6, "%zu", written);
	check_file(at("f"), "{\"a\":1}\n{\"a\":\n{}\n{}\n");
	w->close(w);
	put_file(at("f"), "12345");
	w = open_file(at("f"), 5, 1); /* no room for the newline either */
	CHECK(!put_lines(w, "{}\n", &written), "write");
	check_file(at("f"), "{}\n");
	check_file(at("f.1"), "12345");
	w->close(w);
	remove_dir();
}

/* Half an event, which somebody who was killed left. */
TEST(unit, file_half_event)
{
	static char large[5 << 20];
	struct writer *w;
	size_t written;

	make_dir();
	put_file(at("f"), "{\"time\":\"1\"}\n{\"time\":\"2\",\"ev");
	w = open_file(at("f"), 0, 0);
	CHECK(!put_lines(w, "{}\n", &written), "write");
	check_file(at("f"), "{\"time\":\"1\"}\n{}\n");
	w->close(w);
	put_file(at("f"), "{\"time\":\"2\"}"); /* all but its end: nobody can tell */
	w = open_file(at("f"), 0, 0);
	CHECK(!put_lines(w, "{}\n", &written), "write");
	check_file(at("f"), "{}\n");
	w->close(w);
	memset(large, 'x', sizeof(large) - 1); /* longer than any event: not ours */
	memcpy(large, "{\"time\":\"", 9);
	put_file(at("f"), large);
	w = open_file(at("f"), 0, 0);
	CHECK(size_of(at("f")) == (off_t)sizeof(large) - 1, "cut to %lld", (long long)size_of(at("f")));
	w->close(w);
	remove_dir();
}

/* A disk that is full takes part of a line: it is taken back. */
TEST(unit, file_full_disk_cuts_no_line)
{
	static char line[3000], lines[sizeof(line) * 40];
	struct writer *w;
	size_t written, n = 0;

	mount_small("size=64k");
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (unsigned i = 0; i < 40; i++, n += sizeof(line))
		memcpy(lines + n, line, sizeof(line));
	w = open_file(at("f"), 0, 0);
	CHECK(w->write(w, lines, n, &written) == -ENOSPC && written > 40000 && written % sizeof(line) == 0, "%zu",
	      written);
	CHECK(size_of(at("f")) == (off_t)written, "%lld bytes instead of %zu", (long long)size_of(at("f")), written);
	w->close(w);
	unmount_small();
}

TEST(unit, file_full_disk_recovers)
{
	struct arrived arrived = { 0 };
	struct event_sink *sink;
	struct sink_stats s;
	uint64_t failed;

	mount_small("size=192k");
	put_file(at("ballast"), "");
	REQUIRE(!truncate(at("ballast"), 0), "truncate");
	sink = open_sink(at("f"), 0, 0, 0);
	give(sink, 1, 2000);
	s = settle(sink);
	failed = s.dropped[SINK_DROP_FAILED];
	CHECK(failed && s.error == ENOSPC && stats_sum(&s) == 2000, "%llu failed, error %d",
	      (unsigned long long)failed, s.error);
	REQUIRE(!mount(NULL, dir, NULL, MS_REMOUNT, "size=8m"), "remount: %s", strerror(errno));
	for (unsigned i = 0; i < 3000 && stats_of(sink).error; i++)
		usleep(1000); /* by itself, within a second */
	give(sink, 2001, 2100);
	s = settle(sink);
	CHECK(s.events == 2100 - failed && !s.error, "%llu written, error %d", (unsigned long long)s.events, s.error);
	sink->close(sink);
	arrived_file(&arrived, at("f"));
	CHECK(arrived.events == s.events && arrived.lost[1] == failed && !arrived.broken && arrived.last == 2100,
	      "%llu arrived, %llu told of, %llu broken", (unsigned long long)arrived.events,
	      (unsigned long long)arrived.lost[1], (unsigned long long)arrived.broken);
	unmount_small();
}

/* The same under load, with room that comes and goes; retries lose less than nothing counted. */
TEST(unit, file_full_disk_under_load)
{
	static const char *const sizes[] = { "size=1m", "size=2m", "size=4m", "size=32m" };
	struct arrived arrived = { 0 };
	struct event_sink *sink;
	struct sink_stats s;
	uint32_t n = 0;

	mount_small("size=512k");
	sink = open_sink(at("f"), 0, 0, 100 * NS_PER_MS);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 20; k++, n += 1000, usleep(10000))
			give(sink, n + 1, n + 1000);
		REQUIRE(!mount(NULL, dir, NULL, MS_REMOUNT, sizes[i]), "remount: %s", strerror(errno));
	}
	for (unsigned i = 0; i < 3000 && (stats_of(sink).error || stats_of(sink).queue_events); i++)
		usleep(1000);
	s = stats_of(sink);
	CHECK(stats_sum(&s) == n && !s.queue_events && s.dropped[SINK_DROP_FAILED] && !s.error, "error %d", s.error);
	sink->close(sink);
	arrived_file(&arrived, at("f"));
	CHECK(arrived.events == s.events && !arrived.broken, "%llu arrived, %llu broken",
	      (unsigned long long)arrived.events, (unsigned long long)arrived.broken);
	CHECK(arrived.lost[0] + arrived.lost[1] + arrived.events == n, "%llu and %llu told of",
	      (unsigned long long)arrived.lost[0], (unsigned long long)arrived.lost[1]);
	unmount_small();
}

TEST(unit, file_moved_by_others)
{
	struct writer *w;
	size_t written;

	make_dir();
	w = open_file(at("f"), 0, 0);
	put_lines(w, "1\n", &written);
	REQUIRE(!rename(at("f"), at("old")), "rename");
	put_lines(w, "2\n", &written);
	usleep(1100000);
	CHECK(!put_lines(w, "3\n", &written), "write");
	check_file(at("old"), "1\n2\n");
	check_file(at("f"), "3\n");
	unlink(at("f"));
	CHECK(!put_lines(w, "4\n", &written), "write");
	check_file(at("f"), "4\n"); /* a deleted one is noticed at once */
	REQUIRE(!truncate(at("f"), 0), "truncate");
	CHECK(!put_lines(w, "5\n", &written), "write");
	check_file(at("f"), "5\n");
	put_file(at("new"), "n\n");
	REQUIRE(!rename(at("new"), at("f")), "rename"); /* replaced: the old one has no name left */
	CHECK(!put_lines(w, "6\n", &written), "write");
	check_file(at("f"), "n\n6\n");
	unlink(at("f"));
	REQUIRE(!symlink(at("old"), at("f")), "symlink");
	CHECK(put_lines(w, "7\n", &written) == -ELOOP && !written, "followed a symbolic link");
	check_file(at("old"), "1\n2\n");
	unlink(at("f"));
	CHECK(!put_lines(w, "7\n", &written), "write");
	check_file(at("f"), "7\n");
	w->close(w);
	remove_dir();
}

/* Killed at any moment, a run leaves at most one broken line, and no two are glued together. */
TEST(unit, file_survives_kill)
{
	struct arrived arrived = { 0 };
	unsigned rounds = 10;
	off_t before;
	uint32_t n;
	pid_t pid;

	make_dir();
	for (unsigned i = 0; i < rounds; i++) {
		before = size_of(at("f"));
		pid = fork();
		REQUIRE(pid >= 0, "fork");
		if (!pid) {
			struct event_sink *sink = open_sink(at("f"), 0, 0, 0);

			for (n = i * 10000000 + 1;; n += 100)
				give(sink, n, n + 99);
		}
		for (unsigned k = 0; k < 10000 && size_of(at("f")) < before + 100000; k++)
			usleep(1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	arrived_file(&arrived, at("f"));
	CHECK(arrived.events > 1000 && arrived.broken <= rounds && arrived.last > (rounds - 1) * 10000000,
	      "%llu events, %llu broken", (unsigned long long)arrived.events, (unsigned long long)arrived.broken);
	remove_dir();
}
