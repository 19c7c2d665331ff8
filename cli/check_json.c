/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "export/json_doc.h"
#include "export/names.h"

static void add_memory(struct buf *b, const struct check *check)
{
	const struct memory_options options = memory_options_of(check->config);
	struct memory_part parts[MEMORY_PARTS_MAX];
	unsigned n = memory_parts(&check->collector, &options, parts);

	doc_key(b, "memory");
	buf_addc(b, '{');
	doc_number(b, "limit_bytes", check->config->memory_bytes);
	doc_number(b, "max_bytes", memory_sum(parts, n));
	doc_key(b, "parts");
	buf_addc(b, '[');
	for (unsigned i = 0; i < n; i++) {
		doc_comma(b);
		buf_addc(b, '{');
		doc_text(b, "what", parts[i].what);
		doc_number(b, "bytes", parts[i].bytes);
		doc_text(b, "how", parts[i].how);
		buf_addc(b, '}');
	}
	buf_adds(b, "]}");
}

static void add_host(struct buf *b, const struct check *check)
{
	doc_key(b, "kernel");
	buf_addc(b, '{');
	doc_text(b, "release", check->release);
	doc_text(b, "architecture", check->machine);
	doc_text(b, "lockdown", check->lockdown);
	buf_addc(b, '}');
	doc_key(b, "cgroup");
	buf_addc(b, '{');
	doc_text(b, "mode", check->cgroup_mode);
	doc_text(b, "v2_mount", check->cgroup_v2);
	buf_addc(b, '}');
	doc_key(b, "view");
	buf_addc(b, '{');
	doc_bool(b, "host_pid_namespace", check->pid_ns);
	doc_bool(b, "host_cgroup_namespace", check->cgroup_ns);
	buf_addc(b, '}');
	doc_key(b, "capabilities");
	buf_addc(b, '[');
	for (unsigned i = 0; i < 64; i++)
		if (check->capabilities >> i & 1 && cap_name(i))
			doc_item(b, cap_name(i));
	buf_addc(b, ']');
	add_memory(b, check);
}

static void add_privileges(struct buf *b, const struct check *check)
{
	struct privilege list[PRIVILEGES_MAX];
	unsigned n = privileges_list(&check->collector, &check->privileges, list);

	doc_key(b, "privileges");
	buf_addc(b, '[');
	for (unsigned i = 0; i < n; i++) {
		doc_comma(b);
		buf_addc(b, '{');
		doc_text(b, "capability", cap_name(list[i].cap));
		doc_bool(b, "held", privilege_held(&list[i], check->capabilities));
		doc_text(b, "needed", list[i].kept ? "kept" : "set-up");
		doc_text(b, "for", list[i].what);
		doc_text(b, "without", list[i].lost);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void add_features(struct buf *b)
{
	doc_key(b, "features");
	buf_addc(b, '{');
	for (enum feature f = 0; f < FEATURE_MAX; f++) {
		doc_key(b, feature_name(f));
		buf_addc(b, '{');
		doc_bool(b, "present", feature(f)->have);
		if (feature(f)->why[0])
			doc_text(b, feature(f)->have ? "source" : "reason", feature(f)->why);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void add_tiers(struct buf *b, const struct sensor_run *run)
{
	static const char *const states[] = { [TIER_NOT_TRIED] = "not_tried", [TIER_RUNS] = "runs",
					      [TIER_FAILED] = "failed" };

	doc_key(b, "tiers");
	buf_addc(b, '[');
	for (unsigned i = 0; i < ladder_height(run->sensor); i++) {
		doc_comma(b);
		buf_addc(b, '{');
		doc_text(b, "name", run->sensor->tiers[i].name);
		doc_text(b, "state", states[run->results[i].state]);
		if (run->results[i].why[0])
			doc_text(b, "reason", run->results[i].why);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void add_fields(struct buf *b, const struct sensor_run *run, const struct event_desc *desc)
{
	static const char *const ways[] = { [GIVES_EXACT] = "exact", [GIVES_DERIVED] = "derived",
					    [GIVES_NOTHING] = "absent" };
	unsigned ncommon = event_common_count(desc);

	doc_key(b, "fields");
	buf_addc(b, '{');
	for (unsigned i = 0; i < ncommon + desc->nfields; i++) {
		const struct event_field *f = i < ncommon ? &event_common[i] : &desc->fields[i - ncommon];

		if (f->name)
			doc_text(b, f->name,
			     ways[run->tier ? tier_gives(run->tier, desc, f->name) : GIVES_NOTHING]);
	}
	buf_addc(b, '}');
}

static void add_event(struct buf *b, const struct sensor_run *run, const struct event_desc *desc)
{
	const char *hook;

	doc_comma(b);
	buf_addc(b, '{');
	doc_text(b, "name", desc->name);
	doc_bool(b, "default", !desc->off);
	doc_bool(b, "present", run->tier && tier_gives_event(run->tier, desc));
	doc_key(b, "hooks");
	buf_addc(b, '[');
	for (unsigned pos = 0; (hook = check_hook(run, desc->type, &pos));)
		doc_item(b, hook);
	buf_addc(b, ']');
	add_fields(b, run, desc);
	buf_addc(b, '}');
}

static void add_programs(struct buf *b, const struct sensor_run *run)
{
	struct program_size programs[TIER_PROGRAMS_MAX];
	unsigned n = sensor_programs(run, programs);

	doc_key(b, "programs");
	buf_addc(b, '[');
	for (unsigned i = 0; i < n; i++) {
		doc_comma(b);
		buf_addc(b, '{');
		doc_text(b, "name", programs[i].name);
		doc_number(b, "instructions", programs[i].instructions);
		if (programs[i].verified)
			doc_number(b, "verified", programs[i].verified);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void add_sensor(struct buf *b, const struct sensor_run *run)
{
	unsigned id = run->sensor->id;

	doc_comma(b);
	buf_addc(b, '{');
	doc_text(b, "name", sensor_name(id));
	doc_text(b, "collector", collector_name(id));
	doc_text(b, "tier", run->tier ? run->tier->name : NULL);
	add_tiers(b, run);
	doc_number(b, "load_ns", run->load_ns);
	add_programs(b, run);
	doc_key(b, "events");
	buf_addc(b, '[');
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == id)
			add_event(b, run, desc);
	}
	buf_addc(b, ']');
	if (run->tier && run->tier->derives_how)
		doc_text(b, "derived_how", run->tier->derives_how);
	doc_bool(b, "taxes_all_syscalls", check_taxes_syscalls(run));
	doc_bool(b, "loss_provable", sensor_loss_is_provable(run));
	buf_addc(b, '}');
}

void check_print_json(const struct check *check, FILE *to)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_addc(&b, '{');
	doc_text(&b, "schema", CHECK_SCHEMA);
	doc_text(&b, "version", TAPIO_VERSION);
	doc_text(&b, "level", check->level);
	add_host(&b, check);
	doc_text(&b, "transport", check_transport(check));
	add_privileges(&b, check); /* before features, which are all probed: tracefs is used for one */
	add_features(&b);
	doc_key(&b, "sensors");
	buf_addc(&b, '[');
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (check->collector.runs[i].sensor)
			add_sensor(&b, &check->collector.runs[i]);
	buf_adds(&b, "]}\n");
	fwrite(b.data, 1, b.length, to);
	buf_free(&b);
}
