/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden stimulus: a few processes and cgroups, and the lines of JSON that must come of them, the same on every
 * kernel, architecture and tier. What a tier declares that it does not give must be missing, and nothing else may
 * differ. In the lines a pid is the name of its process, the test's directory is DIR, and what is measured is *.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cgroup.h"
#include "export/json.h"
#include "tests/live/dns_world.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

enum { LINES_MAX = 32, LINE_MAX_BYTES = 64 << 10, NAMED_MAX = 8 };

static struct named {
	pid_t pid;
	const char *name;
} named[NAMED_MAX];
static unsigned nnamed;

static void name_process(pid_t pid, const char *name)
{
	REQUIRE(nnamed < NAMED_MAX, "more processes than there is room for");
	named[nnamed++] = (struct named){ pid, name };
}

static const char *name_of(pid_t pid)
{
	for (unsigned i = 0; i < nnamed; i++)
		if (named[i].pid == pid)
			return named[i].name;
	return NULL;
}

/* ---- a line, normalised ---- */

/* Not of the event but of the machine and of how it was measured. */
static const char *const left_out[] = {
	"process.cpu.user_time", "process.cpu.system_time", "process.memory.peak_rss",
	"process.linux.capabilities.effective", "process.linux.capabilities.permitted", "tapio.absent", NULL
};
static const char *const measured[] = {
	"time", "process.creation.time", "process.parent.creation.time", "process.run_time", "cgroup.id",
	"cgroup.legacy_id", "cgroup.subject.id", "cgroup.subject.hierarchy", "process.linux.namespace.pid",
	"process.linux.namespace.mnt", "process.linux.namespace.net", "process.linux.namespace.user",
	"process.linux.namespace.cgroup", "client.port", "dns.response.size", "dns.query.size", "dns.lookup.id", "dns.lookup.duration", "dns.lookup.waited", NULL
};
static const char *const pids[] = { "process.pid", "process.tid", "process.parent_pid", "process.vpid",
				   "cgroup.entered.tid", "dns.server.pid", NULL };

static bool is_one_of(const char *const *list, struct bytes key)
{
	for (; *list; list++)
		if (strlen(*list) == key.length && !memcmp(*list, key.data, key.length))
			return true;
	return false;
}

/* The value at `at`, quotes and brackets included: a string, a list of strings, or a word. */
static size_t value_length(const char *at)
{
	bool quoted = false;
	int depth = 0;
	size_t n = 0;

	for (; at[n]; n++) {
		if (quoted && at[n] == '\\' && at[n + 1])
			n++;
		else if (at[n] == '"')
			quoted = !quoted;
		else if (!quoted && at[n] == '[')
			depth++;
		else if (!quoted && at[n] == ']')
			depth--;
		else if (!quoted && !depth && (at[n] == ',' || at[n] == '}'))
			break;
	}
	return n;
}

/* The next member of an object, whose brace or comma *at points to. */
static bool next_member(const char **at, struct bytes *ret_key, struct bytes *ret_value)
{
	const char *key = *at + 2, *end;

	if ((**at != '{' && **at != ',') || (*at)[1] != '"')
		return false;
	end = strstr(key, "\":");
	if (!end)
		return false;
	*ret_key = (struct bytes){ key, (size_t)(end - key) };
	*ret_value = (struct bytes){ end + 2, value_length(end + 2) };
	*at = end + 2 + ret_value->length;
	return true;
}

/* A path of the test's own, and what stands for it. */
struct place {
	const char *path;
	const char *name;
};

static void add_text(struct buf *b, struct bytes text, const struct place *place)
{
	size_t n = strlen(place->path);

	for (size_t i = 0; i < text.length;) {
		if (n && text.length - i >= n && !memcmp(text.data + i, place->path, n)) {
			buf_adds(b, place->name);
			i += n;
		} else {
			buf_addc(b, text.data[i++]);
		}
	}
}

static void add_member(struct buf *b, struct bytes key, struct bytes value, const struct place *place)
{
	const char *name = NULL;

	if (is_one_of(left_out, key))
		return;
	buf_add(b, key.data, key.length);
	buf_addc(b, '=');
	if (is_one_of(measured, key))
		buf_addc(b, '*');
	else if (is_one_of(pids, key) && (name = name_of(atoi(value.data))))
		buf_adds(b, name);
	else
		add_text(b, value, place);
	buf_addc(b, '\n');
}

/* KEY=VALUE for each member, a line each: JSON has no bare newlines. */
static char *normalise(const char *json, const struct place *place)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	struct bytes key, value;

	while (next_member(&json, &key, &value))
		add_member(&b, key, value, place);
	CHECK(!strcmp(json, "}\n") && !b.refused, "not a flat object, from here: %.80s", json);
	return (char *)buf_cstr(&b); /* the test's process is short */
}

/* ---- against the golden lines ---- */

static bool expected(const struct live *l, const struct event_desc *desc, const char *key)
{
	if (!strcmp(key, "cgroup.legacy_id") && !l->legacy_cgroup_id)
		return false;
	return tier_gives(l->tier, desc, key) != GIVES_NOTHING;
}

/* The golden event without what this tier or this machine does not give. */
static const char *expected_event(const struct live *l, const struct event_desc *desc, const char *golden)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);

	while (*golden) {
		size_t n = strcspn(golden, "\n") + 1;
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)strcspn(golden, "="), golden);
		if (expected(l, desc, key))
			buf_add(&b, golden, n);
		golden += n;
	}
	return buf_cstr(&b);
}

static const struct event_desc *event_of(const char *golden)
{
	const char *name = strstr(golden, "event=\"");

	for (unsigned type = 0; name && type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && !strncmp(name + 7, desc->name, strlen(desc->name)) && name[7 + strlen(desc->name)] == '"')
			return desc;
	}
	REQUIRE(false, "no event in the golden line %s", golden);
	return NULL;
}

/* Lines of what the tier gives of this sensor. */
static void compare(const struct live *l, char *const *lines, unsigned nlines, const char *const *golden)
{
	unsigned at = 0;

	for (; *golden; golden++) {
		const struct event_desc *desc = event_of(*golden);
		const char *want;

		if (!tier_gives_event(l->tier, desc))
			continue;
		want = expected_event(l, desc, *golden);
		CHECK(at < nlines && !strcmp(lines[at], want), "%s: got:\n%sgolden:\n%s", l->name,
		      at < nlines ? lines[at] : "nothing\n", want);
		at++;
	}
	CHECK(at >= nlines, "%s: and %u more:\n%s", l->name, nlines - at, at < nlines ? lines[at] : "");
}

static char *line_of(const struct event_view *view, const struct place *place)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);

	json_event(&b, view);
	return normalise(buf_cstr(&b), place);
}

#define HEAD(event, who, comm)                                                                                       \
	"time=*\n"                                                                                                   \
	"event=\"" event "\"\n"                                                                                      \
	"process.pid=" who "\n"                                                                                      \
	"process.tid=" who "\n"                                                                                      \
	"process.executable.name=\"" comm "\"\n"                                                                     \
	"cgroup.id=*\n"                                                                                              \
	"cgroup.legacy_id=*\n"

/* ---- processes ---- */

static const char *const process_golden[] = {
	HEAD("process.fork", "EXEC", "golden-test")
	"process.parent_pid=TEST\n"
	"process.creation.time=*\n"
	"process.vpid=EXEC\n",
	HEAD("process.exec", "EXEC", "program")
	"process.parent_pid=TEST\n"
	"process.executable.path=\"DIR/program\"\n"
	"process.command_args=[\"golden\",\"one\",\"two words\"]\n"
	"process.args_count=3\n"
	"process.args.size=21\n"
	"process.exec.filename=\"DIR/program\"\n"
	"process.working_directory=\"DIR\"\n"
	"process.creation.time=*\n"
	"process.parent.creation.time=*\n"
	"process.vpid=EXEC\n"
	"process.user.id=0\n"
	"process.real_user.id=0\n"
	"process.group.id=0\n"
	"process.real_group.id=0\n"
	"process.linux.namespace.pid=*\n"
	"process.linux.namespace.mnt=*\n"
	"process.linux.namespace.net=*\n"
	"process.linux.namespace.user=*\n"
	"process.linux.namespace.cgroup=*\n",
	HEAD("process.exit", "EXEC", "program")
	"process.parent_pid=TEST\n"
	"process.exit.code=0\n"
	"process.run_time=*\n"
	"process.creation.time=*\n"
	"process.vpid=EXEC\n",
	HEAD("process.fork", "CODE", "golden-test")
	"process.parent_pid=TEST\n"
	"process.creation.time=*\n"
	"process.vpid=CODE\n",
	HEAD("process.exit", "CODE", "golden-test")
	"process.parent_pid=TEST\n"
	"process.exit.code=7\n"
	"process.run_time=*\n"
	"process.creation.time=*\n"
	"process.vpid=CODE\n",
	HEAD("process.fork", "SIGNAL", "golden-test")
	"process.parent_pid=TEST\n"
	"process.creation.time=*\n"
	"process.vpid=SIGNAL\n",
	HEAD("process.exit", "SIGNAL", "golden-test")
	"process.parent_pid=TEST\n"
	"process.exit.signal=15\n"
	"process.run_time=*\n"
	"process.creation.time=*\n"
	"process.vpid=SIGNAL\n",
	HEAD("process.fork", "MISSING", "golden-test")
	"process.parent_pid=TEST\n"
	"process.creation.time=*\n"
	"process.vpid=MISSING\n",
	HEAD("process.exec_failed", "MISSING", "golden-test")
	"process.parent_pid=TEST\n"
	"process.exec.filename=\"DIR/missing\"\n"
	"process.exec.errno=2\n"
	"error.type=\"ENOENT\"\n",
	HEAD("process.exit", "MISSING", "golden-test")
	"process.parent_pid=TEST\n"
	"process.exit.code=1\n"
	"process.run_time=*\n"
	"process.creation.time=*\n"
	"process.vpid=MISSING\n",
	NULL
};

static int run_program(void *arg)
{
	/* in memory that this process has written: what it has only inherited, the oldest tiers cannot always read */
	char *argv[] = { strdup("golden"), strdup("one"), strdup("two words"), NULL };
	const struct live *l = arg;

	if (chdir(l->dir))
		return errno;
	execve(l->program, argv, stimulus_quiet);
	return errno;
}

static int leave_with_7(void *arg)
{
	(void)arg;
	return 7;
}

static int be_killed(void *arg)
{
	(void)arg;
	signal(SIGTERM, SIG_DFL);
	raise(SIGTERM);
	return 0;
}

static int fail_to_execute(void *arg)
{
	char *argv[] = { "golden", NULL };
	const struct live *l = arg;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/missing", l->dir);
	execve(path, argv, stimulus_quiet);
	return errno == ENOENT ? 1 : 2;
}

static void body_processes(struct live *l)
{
	static const struct {
		const char *name;
		int (*fn)(void *arg);
	} children[] = {
		{ "EXEC", run_program }, { "CODE", leave_with_7 }, { "SIGNAL", be_killed }, { "MISSING", fail_to_execute },
	};
	const struct place dir = { l->dir, "DIR" };
	char *lines[LINES_MAX];
	unsigned n = 0;

	child_name("golden-test");
	name_process(getpid(), "TEST");
	live_start(l);
	for (unsigned i = 0; i < sizeof(children) / sizeof(children[0]); i++)
		name_process(child_run(children[i].fn, l).pid, children[i].name);
	live_drain(l);
	for (size_t i = l->first; i < l->nviews; i++) {
		const char *name = name_of((pid_t)l->views[i].ev->tgid);

		if (l->views[i].desc->sensor != TAPIO_SENSOR_PROCESS || !name || !strcmp(name, "TEST"))
			continue;
		REQUIRE(n < LINES_MAX, "%s: more than %d events", l->name, LINES_MAX);
		lines[n++] = line_of(&l->views[i], &dir);
	}
	compare(l, lines, n, process_golden);
}

TEST(live, golden_processes)
{
	live_on_every_tier(body_processes);
}

/* ---- cgroups ---- */

static const char *const cgroup_golden[] = {
	HEAD("cgroup.created", "TEST", "golden-test")
	"cgroup.subject.path=\"BOX\"\n"
	"cgroup.subject.id=*\n"
	"cgroup.subject.hierarchy=*\n",
	HEAD("cgroup.entered", "ENTERS", "golden-test")
	"cgroup.subject.path=\"BOX\"\n"
	"cgroup.subject.id=*\n"
	"cgroup.subject.hierarchy=*\n"
	"cgroup.entered.tid=ENTERS\n",
	HEAD("cgroup.removed", "TEST", "golden-test")
	"cgroup.subject.path=\"BOX\"\n"
	"cgroup.subject.id=*\n"
	"cgroup.subject.hierarchy=*\n",
	NULL
};

static int enter(void *arg)
{
	const char *mount_and_path = arg;
	char procs[PATH_MAX + 16];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", mount_and_path);
	write_file(procs, "0", 0644);
	return 0;
}

static void body_cgroups(struct live *l)
{
	char own[PATH_MAX - 64], full[PATH_MAX];
	struct place box = { full, "BOX" };
	const char *mount = "";
	char *lines[LINES_MAX];
	unsigned n = 0;

	child_name("golden-test");
	name_process(getpid(), "TEST");
	cgroup_mode_detect(&mount);
	REQUIRE(own_cgroup(own, sizeof(own)), "the path of this cgroup is too long");
	snprintf(full, sizeof(full), "%s%sgolden-%d", own, own[strlen(own) - 1] == '/' ? "" : "/", getpid());
	box.path += strlen(mount);
	live_start(l);
	REQUIRE(!mkdir(full, 0755), "%s: %s", full, strerror(errno));
	name_process(child_run(enter, full).pid, "ENTERS");
	CHECK(!rmdir(full), "%s: %s", full, strerror(errno));
	live_drain(l);
	for (size_t i = l->first; i < l->nviews; i++) {
		char *line = line_of(&l->views[i], &box);

		if (l->views[i].desc->sensor == TAPIO_SENSOR_CGROUP && strstr(line, "\"BOX")) {
			REQUIRE(n < LINES_MAX, "%s: more than %d events", l->name, LINES_MAX);
			lines[n++] = line;
		}
	}
	compare(l, lines, n, cgroup_golden);
}

TEST(live, golden_cgroups)
{
	if (!own_cgroup_id())
		SKIP("no cgroup v2 is mounted here");
	live_on_every_tier_of(TAPIO_SENSOR_CGROUP, body_cgroups);
}

/* ---- DNS: the number of the test's process, which is in all names, is N ---- */

#define DNS_ASKED                                                                                            \
	"network.transport=\"udp\"\n"                                                                       \
	"dns.role=\"client\"\n"                                                                             \
	"server.address=\"127.0.0.1\"\n"                                                                    \
	"server.port=53\n"                                                                                  \
	"client.address=\"127.0.0.1\"\n"                                                                    \
	"client.port=*\n"                                                                                   \
	"process.user.id=0\n"

static const char *const dns_golden[] = {
	HEAD("dns.lookup", "ASKS", "dns-cN")
	"dns.question.name=\"golden.test.N\"\n"
	"dns.question.type=\"A\"\n"
	"dns.response_code=\"NOERROR\"\n"
	"dns.answers=[\"192.0.2.7\"]\n"
	"dns.response.answer_count=1\n"
	"dns.response.records=[\"golden.test.N 300 IN A 192.0.2.7\"]\n"
	"dns.flags=\"qr aa\"\n"
	"dns.id=18193\n"
	"dns.response.size=*\n"
	DNS_ASKED
	"dns.query.size=*\n"
	"dns.lookup.id=*\n"
	"dns.server.pid=SERVES\n"
	"dns.server.executable.name=\"dns-sN\"\n"
	"dns.lookup.attempts=1\n"
	"dns.lookup.duration=*\n",
	HEAD("dns.timeout", "WAITS", "dns-cN")
	"dns.question.name=\"silent.test.N\"\n"
	"dns.question.type=\"A\"\n"
	"dns.id=18193\n"
	DNS_ASKED
	"error.type=\"timeout\"\n"
	"dns.query.size=*\n"
	"dns.lookup.id=*\n"
	"dns.server.pid=SERVES\n"
	"dns.server.executable.name=\"dns-sN\"\n"
	"dns.lookup.attempts=1\n"
	"dns.lookup.waited=*\n",
	NULL
};

static void body_dns(struct live *l)
{
	struct ask *asks[] = { shared_ask("golden.test", AF_INET, UNCONNECTED), shared_ask("silent.test", AF_INET, CONNECTED) };
	char *lines[LINES_MAX], number[16];
	const struct place own = { number, "N" };
	static struct told t;
	unsigned n = 0;
	pid_t server;

	snprintf(number, sizeof(number), "%d", getpid());
	own_network(l);
	server = start_server();
	name_process(server, "SERVES");
	live_start(l);
	told_open(&t);
	for (unsigned i = 0; i < 2; i++) {
		name_process(child_run(do_ask, asks[i]).pid, i ? "WAITS" : "ASKS");
		told_take(&t, l);
		while (i && t.dns->due(t.dns))
			t.dns->advance(t.dns, t.dns->due(t.dns));
	}
	for (unsigned i = 0; i < t.n; i++)
		if ((t.views[i].ev->type == TAPIO_EV_DNS_LOOKUP || t.views[i].ev->type == TAPIO_EV_DNS_TIMEOUT) &&
		    (told_is_named(&t.views[i], asks[0]->name) || told_is_named(&t.views[i], asks[1]->name))) {
			REQUIRE(n < LINES_MAX, "%s: more than %d events", l->name, LINES_MAX);
			t.views[i].absent = &l->absent[t.views[i].ev->type];
			lines[n++] = line_of(&t.views[i], &own);
		}
	if (n == 2 || !dns_may_be_skipped(l))
		compare(l, lines, n, dns_golden);
	told_close(&t);
	end_server(server);
}

TEST(live, golden_dns)
{
	live_on_every_tier_of(TAPIO_SENSOR_DNS, body_dns);
}
