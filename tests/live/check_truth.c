/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tapio check` as a user gets it, against what loading and attaching each tier by force really does: as it is,
 * without a ring buffer and without BTF. That each tier which attaches also gives its events, with the fields it
 * declares and no others, is for the golden stimulus.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "collect/bpflog.h"
#include "collect/feature.h"
#include "tests/live/harness.h"

struct truth {
	bool runs[TAPIO_SENSOR_MAX][TIERS_MAX];
};

static void learn(struct truth *t)
{
	const struct sensor *const *s, *const *end = sensors(&s);
	char why[WHY_MAX];

	for (; s < end; s++)
		for (unsigned k = 0; k < ladder_height(*s); k++)
			t->runs[(*s)->id][k] = live_tier_runs(*s, &(*s)->tiers[k], why, sizeof(why));
}

static bool allowed(const char *option, const struct tier *tier)
{
	return !option || strcmp(option, "--no-btf") || tier->abi;
}

static bool each_sensor_runs(const struct truth *truth, const char *option)
{
	const struct sensor *const *s, *const *end = sensors(&s);

	for (; s < end; s++) {
		bool runs = false;

		for (unsigned k = 0; k < ladder_height(*s); k++)
			runs |= allowed(option, &(*s)->tiers[k]) && truth->runs[(*s)->id][k];
		if (!runs)
			return false;
	}
	return true;
}

/* In a process of its own, whose probes are its own. */
static json_t *ask(const char *option, int want_status)
{
	char path[] = "/tmp/tapio-check-XXXXXX";
	int fd = mkstemp(path), status = -1;
	char *argv[] = { "check", "--json", (char *)option, NULL };
	json_error_t error;
	json_t *doc;
	pid_t pid;

	REQUIRE(fd >= 0, "%s: %s", path, strerror(errno));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (dup2(fd, STDOUT_FILENO) < 0)
			_exit(STATUS_FAILED);
		status = cmd_check(option ? 3 : 2, argv);
		_exit(fflush(stdout) ? STATUS_FAILED : status);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid, "fork: %s", strerror(errno));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == want_status, "check --json %s: wait status %#x, not exit status %d",
	      option ? option : "", status, want_status);
	doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	close(fd);
	unlink(path);
	REQUIRE(doc, "check --json %s: %s, at line %d, column %d", option ? option : "", error.text, error.line, error.column);
	return doc;
}

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static const json_t *named(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(text(json_array_get(list, i), "name"), name))
			return json_array_get(list, i);
	return NULL;
}

static bool said_present(const json_t *doc, enum feature f)
{
	return json_is_true(json_object_get(json_object_get(json_object_get(doc, "features"), feature_name(f)), "present"));
}

/* A tier that runs has all that it needs. */
static void compare_features(const json_t *doc, const char *option, const struct tier *tier)
{
	uint32_t needs = tier->needs | (tier->abi ? NEEDS(PERF_BUFFER) : NEEDS(BTF));

	if (!strcmp(tier->name, "tp_btf"))
		needs |= NEEDS(TP_BTF);
	for (enum feature f = 0; f < FEATURE_MAX; f++)
		CHECK(!(needs & (1u << f)) || said_present(doc, f), "check %s: tier %s runs, and needs %s, which is said to be absent",
		      option, tier->name, feature_name(f));
}

/* The best tier that is allowed and runs is the one; those above it failed, with a reason; those below were not tried. */
static void compare_sensor(const json_t *doc, const char *option, const struct sensor *sensor, const struct truth *truth)
{
	const json_t *said = named(json_object_get(doc, "sensors"), sensor_name(sensor->id));
	const char *about = option ? option : "as it is", *best = NULL;

	REQUIRE(said, "check %s: no sensor %s", about, sensor_name(sensor->id));
	for (unsigned k = 0; k < ladder_height(sensor); k++) {
		const struct tier *tier = &sensor->tiers[k];
		const json_t *result = named(json_object_get(said, "tiers"), tier->name);
		bool runs = allowed(option, tier) && truth->runs[sensor->id][k];
		const char *want = best ? "not_tried" : runs ? "runs" : "failed";

		CHECK(!strcmp(text(result, "state"), want), "check %s: sensor %s, tier %s: said '%s', in truth '%s'", about,
		      sensor_name(sensor->id), tier->name, text(result, "state"), want);
		CHECK(strcmp(want, "failed") || *text(result, "reason"), "check %s: sensor %s, tier %s: failed for no reason", about,
		      sensor_name(sensor->id), tier->name);
		if (!best && runs) {
			best = tier->name;
			compare_features(doc, about, tier);
		}
	}
	CHECK(best ? !strcmp(text(said, "tier"), best) : json_is_null(json_object_get(said, "tier")),
	      "check %s: sensor %s: said '%s', in truth '%s'", about, sensor_name(sensor->id), text(said, "tier"),
	      best ? best : "none");
}

/* Whether the kernel makes such a map, asked without any of our probes. */
static bool makes_map(enum bpf_map_type type, unsigned key_value_bytes, unsigned entries)
{
	int fd = bpf_map_create(type, NULL, key_value_bytes, key_value_bytes, entries, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void compare(const char *option, const struct truth *truth)
{
	const struct sensor *const *s, *const *end = sensors(&s);
	bool no_ring = option && !strcmp(option, "--no-ringbuf");
	json_t *doc = ask(option, each_sensor_runs(truth, option) ? STATUS_OK : STATUS_FAILED);

	for (; s < end; s++)
		compare_sensor(doc, option, *s, truth);
	CHECK(said_present(doc, FEATURE_PERF_BUFFER) == makes_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 1),
	      "perf buffers: said to be %s", said_present(doc, FEATURE_PERF_BUFFER) ? "present" : "absent");
	/* The other way round needs more than a map: see feature.h. */
	CHECK(!said_present(doc, FEATURE_RINGBUF) || makes_map(BPF_MAP_TYPE_RINGBUF, 0, (unsigned)getpagesize()),
	      "ring buffers: said to be present");
	CHECK(!no_ring || !said_present(doc, FEATURE_RINGBUF), "ring buffers: said to be present with --no-ringbuf");
	CHECK(!no_ring || !strstr(text(doc, "transport"), "ring"), "transport '%s' with --no-ringbuf", text(doc, "transport"));
	json_decref(doc);
}

TEST(live, check_tells_the_truth)
{
	static const char *const options[] = { NULL, "--no-ringbuf", "--no-btf" };
	struct truth truth = {};

	test_allow_seconds(120);
	bpflog_init();
	learn(&truth);
	for (size_t i = 0; i < COUNT_OF(options); i++)
		compare(options[i], &truth);
}
