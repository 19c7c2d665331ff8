/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the running kernel's types foretell against what loading and attaching really do; and a kernel whose
 * BTF is hidden, with what takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"
#include "collect/bpflog.h"
#include "collect/btf_minimize.h"
#include "collect/btf_search.h"
#include "collect/forecast.h"
#include "collect/collector.h"
#include "tests/live/harness.h"

static void need_core(void)
{
	bpflog_init();
	live_need("core objects", NEEDS(BTF) | NEEDS(RAW_TP) | NEEDS(PROBE_READ));
}

static struct btf_source load_own(void)
{
	struct btf_source s;
	char why[256] = "";

	if (access(KERNEL_BTF, R_OK))
		SKIP("%s: %s", KERNEL_BTF, strerror(errno));
	REQUIRE(!btf_load(KERNEL_BTF, &s, why, sizeof(why)), "%s: %s", KERNEL_BTF, why);
	return s;
}

TEST(live, forecast_agrees_with_loading)
{
	const struct forecast_options options = { .events = ~0ull };
	static struct forecast f;
	struct btf_source own;
	unsigned compared = 0;

	test_allow_seconds(120);
	need_core();
	own = load_own();
	REQUIRE(!forecast(&own, &options, &f), "forecast: no memory");
	CHECK((f.ringbuf.foretold == FORETOLD_RUNS) == feature(FEATURE_RINGBUF)->have, "ring buffer: foretold '%s', probed '%s'",
	      f.ringbuf.why, feature(FEATURE_RINGBUF)->why);
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		for (unsigned k = 0; f.sensors[i].sensor && k < ladder_height(f.sensors[i].sensor); k++) {
			const struct sensor *sensor = f.sensors[i].sensor;
			const struct tier_forecast *tier = &f.sensors[i].tiers[k];
			char why[WHY_MAX];

			if (sensor->tiers[k].abi || tier->foretold == FORETOLD_OPEN)
				continue;
			CHECK(live_tier_runs(sensor, &sensor->tiers[k], why, sizeof(why)) == (tier->foretold == FORETOLD_RUNS),
			      "sensor %s, tier %s: foretold '%s', in truth '%s'", sensor_name(i), sensor->tiers[k].name, tier->why,
			      why);
			compared++;
		}
	CHECK(compared > 2, "%u tiers compared", compared);
	btf_unload(&own);
}

/* What is foretold of a program of the object of planted faults. */
static struct tier_forecast of_program(const struct types *t, const char *program)
{
	const struct image *image = image_find("faults");
	const struct tier tier = { .name = "fault", .object = "faults", .programs = { { program, 1 } } };
	struct tier_forecast ret = {};
	struct relocation r;
	struct object o;
	bool *reached;
	int i, err;

	REQUIRE(image && !object_open(image, &o), "object faults");
	i = object_program(&o, program);
	REQUIRE(i >= 0 && !forecast_relocate(&o, &tier, 1, t, &r), "program %s", program);
	reached = forecast_reach(&r, (unsigned)i, &err);
	REQUIRE(reached && !err, "reach: %s", strerror(-err));
	foretell_relocations(&r, (unsigned)i, reached, &ret);
	foretell_program(t, &o.programs[i], r.insns[i], reached, &ret);
	free(reached);
	relocation_free(&r);
	object_close(&o);
	return ret;
}

TEST(live, forecast_sees_planted_faults)
{
	static const struct {
		const char *program, *why; /* NULL: nothing is wrong that types could tell */
	} faults[] = {
		{ "fault_none", NULL },
		{ "fault_rejected", NULL },
		{ "fault_missing_member", "member_that_no_kernel_has" },
		{ "fault_no_raw_tracepoint", "tracepoint_that_no_kernel_has" },
		{ "fault_no_tracepoint", "tracepoint_that_no_kernel_has" },
		{ "fault_no_tp_btf", "tracepoint_that_no_kernel_has" },
	};
	struct btf_source own;

	need_core();
	own = load_own();
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct tier_forecast f = of_program(&own.types, faults[i].program);

		CHECK(faults[i].why ? f.foretold == FORETOLD_FAILS && strstr(f.why, faults[i].why) : !f.foretold,
		      "%s: %d '%s'", faults[i].program, f.foretold, f.why);
		CHECK(f.lacks == !strcmp(faults[i].program, "fault_missing_member"), "%s: lacks %d", faults[i].program, f.lacks);
	}
	btf_unload(&own);
}

/* ---- hidden and supplied ---- */

static void make_folders(const char *path)
{
	char part[256];

	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		mkdir(part, 0755);
	}
}

static void write_file(const char *path, const void *data, size_t bytes)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	REQUIRE(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes, "%s: %s", path, strerror(errno));
}

/* In a mount namespace of our own: nobody else sees it, and it goes with us. */
static void hide_btf(void)
{
	if (unshare(CLONE_NEWNS))
		SKIP("mount namespaces: %s", strerror(errno));
	REQUIRE(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || errno == EINVAL, "private: %s", strerror(errno));
	make_folders("/usr/share/");
	REQUIRE(!mount("tmpfs", "/sys/kernel/btf", "tmpfs", 0, NULL) && !mount("tmpfs", "/usr/share", "tmpfs", 0, NULL),
		"tmpfs: %s", strerror(errno));
	REQUIRE(access(KERNEL_BTF, F_OK), "the kernel's BTF can still be seen");
}

static const char *place(char path[PATH_MAX])
{
	struct utsname u;

	uname(&u);
	btf_search_path(0, u.release, !strcmp(u.machine, "aarch64") ? "arm64" : u.machine, path);
	make_folders(path);
	return path;
}

TEST(live, supplied_btf_runs_core_tiers)
{
	const struct sensor *const *s, *const *end = sensors(&s);
	struct btf_source own, wrong;
	struct btf_choice choice;
	void *minimal = NULL, *foreign = NULL;
	char why[256] = "", path[PATH_MAX];
	size_t bytes = 0, foreign_bytes = 0;
	unsigned ran = 0;

	need_core();
	own = load_own();
	REQUIRE(!btf_minimize(&own, &minimal, &bytes, why, sizeof(why)), "minimize: %s", why);
	CHECK(bytes < 16384, "%zu bytes are not minimal", bytes);
	wrong = own;
	snprintf(wrong.release, sizeof(wrong.release), "4.18.0-another");
	REQUIRE(!btf_cut(&wrong, &foreign, &foreign_bytes), "cut");
	hide_btf();
	CHECK(btf_choose(NULL, &choice, why, sizeof(why)) < 0 || strncmp(why, "/usr/share/tapio", 16), "found '%s'", why);
	btf_drop(&choice);
	write_file(place(path), foreign, foreign_bytes);
	CHECK(btf_choose(path, &choice, why, sizeof(why)) == -ESTALE && strstr(why, "of Linux 4.18.0-another"),
	      "another kernel's: '%s'", why);
	write_file(path, minimal, bytes);
	REQUIRE(!btf_choose(NULL, &choice, why, sizeof(why)) && strstr(why, path), "not taken: '%s'", why);
	btf_drop(&choice);
	feature_use_btf(path);
	feature_ask_again(FEATURE_BTF);
	for (; s < end; s++)
		for (unsigned k = 0; k < ladder_height(*s); k++) {
			const struct tier *tier = &(*s)->tiers[k];

			/* libbpf looks the typed tracepoints up in the kernel's own BTF. */
			if (tier->abi || strcmp(tier->name, "raw_tp"))
				continue;
			CHECK(live_tier_runs(*s, tier, why, sizeof(why)), "sensor %s, tier %s: %s", sensor_name((*s)->id), tier->name,
			      why);
			ran++;
		}
	CHECK(ran, "no tier was tried");
	free(minimal);
	free(foreign);
	btf_unload(&own);
}

/* By the names of functions, where nothing else tells. */
TEST(live, foreign_functions_are_noticed)
{
	struct btf_source own;
	struct types renamed;
	int percent;
	char why[128];

	own = load_own();
	percent = btf_foreign_functions(&own.types);
	if (percent < 0)
		SKIP("kallsyms: %s", strerror(-percent));
	CHECK(percent <= BTF_FOREIGN_MAX, "its own types: %d %%", percent);
	REQUIRE(!types_read(own.types.blob, own.types.blob_bytes, &renamed, why, sizeof(why)), "%s", why);
	for (uint32_t id = 1; id < renamed.count; id += 5) { /* a fifth of them */
		struct btf_type *t = (struct btf_type *)types_at(&renamed, id);

		if (btf_is_func(t))
			t->name_off++;
	}
	REQUIRE(!types_index(&renamed), "no memory");
	percent = btf_foreign_functions(&renamed);
	CHECK(percent > 10 && percent < 30, "a fifth of the functions are another's: %d %%", percent);
	types_free(&renamed);
	btf_unload(&own);
}
