/* SPDX-License-Identifier: Apache-2.0 */
/* State on disk that is not what it should be: nothing of it may be believed, waited for or followed. */
#include "tests/unit/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "identity/state_json.h"
#include "tests/test.h"

#define FILE1 CONTAINERD "k8s.io/" ID1 "/config.json"
#define NAME(value) "{\"annotations\":{\"io.kubernetes.cri.container-name\":" value "}}"

static void check_is_bad(const char *what)
{
	HOST_CHECK(what, ID1, NULL, -EBADMSG, .runtime = "containerd");
}

TEST(unit, workload_refuses_values)
{
	static const struct {
		const char *what, *text;
	} rows[] = {
		{ "a slash", NAME("\"a/b\"") },
		{ "a newline", NAME("\"a\\nb\"") },
		{ "a NUL", NAME("\"a\\u0000b\"") },
		{ "upper case", NAME("\"Web\"") },
		{ "a blank", NAME("\"a b\"") },
		{ "a dash in front", NAME("\"-a\"") },
		{ "an escape sequence", NAME("\"\\u001b[31m\"") },
		{ "beyond ASCII", NAME("\"w\xc3\xa4\"") },
		{ "a number", NAME("7") },
		{ "null", NAME("null") },
		{ "an array", NAME("[\"a\"]") },
		{ "an object", NAME("{}") },
		{ "annotations in an array", "{\"annotations\":[]}" },
		{ "annotations in a string", "{\"annotations\":\"x\"}" },
		{ "an array", "[]" },
		{ "a uid with letters", "{\"annotations\":{\"io.kubernetes.cri.sandbox-uid\":\"" UID1 "xyz\"}}" },
		{ "a namespace that leads out", "{\"annotations\":{\"io.kubernetes.cri.sandbox-namespace\":\"../..\"}}" },
		{ "an image with a quote", "{\"annotations\":{\"io.kubernetes.cri.image-name\":\"a\\\"b\"}}" },
	};

	_cleanup_host_ int host = host_begin();
	host_put(FILE1, NAME("\"web\""));
	HOST_CHECK("a good one", ID1, NULL, 0, .runtime = "containerd", .name = "web", .container = "web");
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		host_put(FILE1, rows[i].text);
		if (strstr(rows[i].what, "upper")) /* a container's name, but no Kubernetes name */
			HOST_CHECK(rows[i].what, ID1, NULL, -EBADMSG, .runtime = "containerd", .name = "Web");
		else
			check_is_bad(rows[i].what);
	}
}

TEST(unit, workload_limits_of_values)
{
	char name[300], text[400];

	_cleanup_host_ int host = host_begin();
	for (unsigned length = 252; length < 256; length++) {
		bool good = length <= 253;

		memset(name, 'n', length);
		name[length] = '\0';
		snprintf(text, sizeof(text), "{\"annotations\":{\"io.kubernetes.cri.sandbox-name\":\"%s\"}}", name);
		host_put(FILE1, text);
		HOST_CHECK("long names", ID1, NULL, good ? 0 : -EBADMSG,
			   .runtime = "containerd", .pod = good ? name : NULL);
	}
}

TEST(unit, workload_refuses_malformed_json)
{
	static const char *const rows[] = {
		"", "{", "{}x", "\xff", "nul", "7", "{\"annotations\":{\"a\":\"\xff\"}}", "{\"a\":1,}", "{'a':1}",
	};

	_cleanup_host_ int host = host_begin();
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		host_put(FILE1, rows[i]);
		HOST_CHECK(rows[i], ID1, NULL, -EBADMSG);
	}
}

static void put_repeated(const char *piece, size_t times)
{
	size_t n = strlen(piece);
	char *text = malloc(n * times);

	REQUIRE(text, "no memory");
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * n, piece, n);
	host_put_bytes(FILE1, text, n * times);
	free(text);
}

TEST(unit, workload_refuses_large_json)
{
	_cleanup_host_ int host = host_begin();
	put_repeated("[", 100000);
	HOST_CHECK("deep", ID1, NULL, -EFBIG);
	put_repeated("{\"a\":", 100000);
	HOST_CHECK("deep objects", ID1, NULL, -EFBIG);
	put_repeated("[", STATE_JSON_DEPTH_MAX + 1);
	HOST_CHECK("a little too deep", ID1, NULL, -EFBIG);
	put_repeated("[],", 60000);
	HOST_CHECK("wide", ID1, NULL, -EFBIG);
	put_repeated("7,", 60000);
	HOST_CHECK("wide with numbers", ID1, NULL, -EFBIG);
	put_repeated("[],", 1000);
	HOST_CHECK("not so wide", ID1, NULL, -EBADMSG);
	put_repeated(" ", STATE_JSON_BYTES_MAX + 1);
	HOST_CHECK("long", ID1, NULL, -EFBIG);
	put_repeated(" ", STATE_JSON_BYTES_MAX);
	HOST_CHECK("as long as may be", ID1, NULL, -EBADMSG);
	REQUIRE(!truncate(host_path(FILE1), 1ll << 40), "truncate: %s", strerror(errno));
	HOST_CHECK("a terabyte of nothing", ID1, NULL, -EFBIG);
	put_repeated("\\\"", 1);
	HOST_CHECK("an escape at the end", ID1, NULL, -EBADMSG);
}

/* Commas and brackets in strings are not values. */
TEST(unit, workload_accepts_much_text)
{
	static char text[300000] = "{\"annotations\":{\"nerdctl/name\":\"db\",\"x\":\"";
	size_t n = strlen(text), end = sizeof(text) - 4;

	_cleanup_host_ int host = host_begin();
	for (; n < end; n += 4)
		memcpy(text + n, ",[\\\"", 4);
	memcpy(text + n, "\"}}", 3);
	host_put_bytes(FILE1, text, n + 3);
	HOST_CHECK("commas and brackets", ID1, NULL, 0, .runtime = "containerd", .name = "db");
}

static void check_odd_files(void)
{
	remove(host_path(FILE1));
	REQUIRE(!mkfifo(host_path(FILE1), 0644), "mkfifo: %s", strerror(errno));
	HOST_CHECK("a FIFO", ID1, NULL, -EBADMSG);
	remove(host_path(FILE1));
	REQUIRE(!symlink("/etc/passwd", host_path(FILE1)), "symlink: %s", strerror(errno));
	HOST_CHECK("a link out", ID1, NULL, -EBADMSG);
	remove(host_path(FILE1));
	host_put(CONTAINERD "k8s.io/" ID1 "/other.json", NAME("\"web\""));
	REQUIRE(!symlink("other.json", host_path(FILE1)), "symlink: %s", strerror(errno));
	HOST_CHECK("a link to the file beside", ID1, NULL, -EBADMSG);
	remove(host_path(FILE1));
	host_mkdir(FILE1);
	HOST_CHECK("a folder", ID1, NULL, -EBADMSG);
	remove(host_path(FILE1));
}

static void check_linked_bundle(void)
{
	char target[4096];

	host_put("elsewhere/config.json", NAME("\"web\""));
	strcpy(target, host_path("elsewhere"));
	host_mkdir(CONTAINERD "k8s.io");
	REQUIRE(!symlink(target, host_path(CONTAINERD "k8s.io/" ID2)), "symlink: %s", strerror(errno));
	HOST_CHECK("a linked bundle", ID2, NULL, -EBADMSG);
}

TEST(unit, workload_odd_files)
{
	_cleanup_host_ int host = host_begin();
	host_put(FILE1, NAME("\"web\""));
	check_odd_files();
	check_linked_bundle();
}

static bool has_openat2(void)
{
	struct open_how how = { .flags = O_PATH };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* As before Linux 5.6, or under a seccomp filter that knows no openat2. */
static void forbid_openat2(int with_errno)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (!has_openat2()) /* an emulator, or such a kernel */
		return;
	REQUIRE(filter && !seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)with_errno), SCMP_SYS(openat2), 0) &&
			!seccomp_load(filter),
		"no seccomp filter");
	seccomp_release(filter);
	REQUIRE(!has_openat2(), "openat2 still works");
}

TEST(unit, workload_without_openat2)
{
	_cleanup_host_ int host = host_begin();
	forbid_openat2(ENOSYS);
	host_put(FILE1, NAME("\"web\""));
	HOST_CHECK("a good one", ID1, NULL, 0, .runtime = "containerd", .name = "web", .container = "web");
	check_odd_files();
	check_linked_bundle();
	host_put("data/docker/containers/" ID2 "/config.v2.json", "{\"ID\":\"" ID2 "\",\"Name\":\"/db\"}");
	host_mkdir("var/lib");
	remove(host_path(CONTAINERD "k8s.io/" ID2));
	REQUIRE(!symlink("/data/docker", host_path("var/lib/docker")), "symlink: %s", strerror(errno));
	HOST_CHECK("a link that could lead out of the host's root", ID2, NULL, -ENOTDIR);
}

TEST(unit, workload_without_openat2_by_eperm)
{
	_cleanup_host_ int host = host_begin();
	forbid_openat2(EPERM);
	host_put(FILE1, NAME("\"web\""));
	HOST_CHECK("a good one", ID1, NULL, 0, .runtime = "containerd", .name = "web", .container = "web");
}

/* A place may be a link, as the owner of the machine likes; it stays below the host's root. */
TEST(unit, workload_linked_places)
{
	_cleanup_host_ int host = host_begin();
	host_put("data/docker/containers/" ID1 "/config.v2.json", "{\"ID\":\"" ID1 "\",\"Name\":\"/db\"}");
	host_mkdir("var/lib");
	REQUIRE(!symlink("/data/docker", host_path("var/lib/docker")), "symlink: %s", strerror(errno));
	if (has_openat2())
		HOST_CHECK("an absolute link", ID1, NULL, 0, .runtime = "docker", .name = "db");
	else
		HOST_CHECK("an absolute link", ID1, NULL, -ENOTDIR);
	remove(host_path("var/lib/docker"));
	REQUIRE(!symlink("../../../../../../../../data/docker", host_path("var/lib/docker")), "symlink: %s",
		strerror(errno));
	if (has_openat2())
		HOST_CHECK("many folders up", ID1, NULL, 0, .runtime = "docker", .name = "db");
	remove(host_path("var/lib/docker"));
	REQUIRE(!symlink("/etc", host_path("var/lib/docker")), "symlink: %s", strerror(errno));
	if (has_openat2())
		HOST_CHECK("to nowhere", ID1, NULL, -ENOENT);
}

TEST(unit, workload_too_many_names)
{
	char path[128];

	_cleanup_host_ int host = host_begin();
	for (unsigned i = 0; i < 8200; i++) {
		snprintf(path, sizeof(path), "var/log/pods/prod_p%u_%032x", i, i);
		host_mkdir(path);
	}
	HOST_CHECK("more than are looked at", NULL, UID1, -EFBIG, .uid = UID1);
}

TEST(unit, workload_unreadable)
{
	_cleanup_host_ int host = host_begin();
	host_put(FILE1, NAME("\"web\""));
	chmod(host_path(""), 0755);
	chmod(host_path(FILE1), 0600);
	if (geteuid() == 0)
		REQUIRE(!setegid(65534) && !seteuid(65534), "seteuid: %s", strerror(errno));
	else
		chmod(host_path(FILE1), 0);
	HOST_CHECK("not ours", ID1, NULL, -EACCES);
	if (getuid() == 0)
		REQUIRE(!seteuid(0), "seteuid: %s", strerror(errno));
}

TEST(unit, workload_odd_queries)
{
	static const struct {
		const char *id, *uid;
	} rows[] = {
		{ NULL, NULL },
		{ "", NULL },
		{ "../../../../etc", NULL },
		{ "5F3A1BE0C7D94E2F8A6B0C1D2E3F405162738495A6B7C8D9E0F1A2B3C4D5E6F7", NULL },
		{ ID1 "0", NULL },
		{ ID1, "" },
		{ ID1, "../" UID1 },
		{ NULL, "pod" },
	};
	struct workload_query query = { ID1, UID1 };
	struct workload w;

	_cleanup_host_ int host = host_begin();
	for (unsigned i = 0; i < COUNT_OF(rows); i++)
		HOST_CHECK(rows[i].id ? rows[i].id : "none", rows[i].id, rows[i].uid, -EINVAL);
	CHECK(workload_read("/nowhere/at/all", &query, &w) == -ENOENT, "a host that is not there");
	workload_free(&w);
	workload_free(NULL);
}
