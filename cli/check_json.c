/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/json_doc.h"
#include "export/names.h"

static void add_memory(struct buf *b, const struct check *check)
{
	const struct memory_options options = memory_options_of(check->config);
	struct memory_part parts[MEMORY_PARTS_MAX];
	unsigned n = memory_parts(&check->collector, &options, parts);

	key(b, "memory");
	buf_addc(b, '{');
	number(b, "limit_bytes", check->config->memory_bytes);
	number(b, "max_bytes", memory_sum(parts, n));
	key(b, "parts");
	buf_addc(b, '[');
	for (unsigned i = 0; i < n; i++) {
		comma(b);
		buf_addc(b, '{');
		text(b, "what", parts[i].what);
		number(b, "bytes", parts[i].bytes);
		text(b, "how", parts[i].how);
		buf_addc(b, '}');
	}
	buf_adds(b, "]}");
}

static void add_host(struct buf *b, const struct check *check)
{
	key(b, "kernel");
	buf_addc(b, '{');
	text(b, "release", check->release);
	text(b, "architecture", check->machine);
	text(b, "lockdown", check->lockdown);
	buf_addc(b, '}');
	key(b, "cgroup");
	buf_addc(b, '{');
	text(b, "mode", check->cgroup_mode);
	text(b, "v2_mount", check->cgroup_v2);
	buf_addc(b, '}');
	key(b, "view");
	buf_addc(b, '{');
	truth(b, "host_pid_namespace", check->pid_ns);
	truth(b, "host_cgroup_namespace", check->cgroup_ns);
	buf_addc(b, '}');
	key(b, "capabilities");
	buf_addc(b, '[');
	for (unsigned i = 0; i < 64; i++)
		if (check->capabilities >> i & 1 && cap_name(i))
			item(b, cap_name(i));
	buf_addc(b, ']');
	add_memory(b, check);
}

static void add_privileges(struct buf *b, const struct check *check)
{
	struct privilege list[PRIVILEGES_MAX];
	unsigned n = privileges_list(&check->collector, &check->privileges, list);

	key(b, "privileges");
	buf_addc(b, '[');
	for (unsigned i = 0; i < n; i++) {
		comma(b);
		buf_addc(b, '{');
		text(b, "capability", cap_name(list[i].cap));
		truth(b, "held", privilege_held(&list[i], check->capabilities));
		text(b, "needed", list[i].kept ? "kept" : "set-up");
		text(b, "for", list[i].what);
		text(b, "without", list[i].lost);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void add_features(struct buf *b)
{
	key(b, "features");
	buf_addc(b, '{');
	for (enum feature f = 0; f < FEATURE_MAX; f++) {
		key(b, feature_name(f));
		buf_addc(b, '{');
		truth(b, "present", feature(f)->have);
		if (feature(f)->why[0])
			text(b, feature(f)->have ? "source" : "reason", feature(f)->why);
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void add_tiers(struct buf *b, const struct sensor_run *run)
{
	static const char *const states[] = { [TIER_NOT_TRIED] = "not_tried", [TIER_RUNS] = "runs",
					      [TIER_FAILED] = "failed" };

	key(b, "tiers");
	buf_addc(b, '[');
	for (unsigned i = 0; i < ladder_height(run->sensor); i++) {
		comma(b);
		buf_addc(b, '{');
		text(b, "name", run->sensor->tiers[i].name);
		text(b, "state", states[run->results[i].state]);
		if (run->results[i].why[0])
			text(b, "reason", run->results[i].why);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void add_fields(struct buf *b, const struct sensor_run *run, const struct event_desc *desc)
{
	static const char *const ways[] = { [GIVES_EXACT] = "exact", [GIVES_DERIVED] = "derived",
					    [GIVES_NOTHING] = "absent" };
	unsigned ncommon = event_common_count(desc);

	key(b, "fields");
	buf_addc(b, '{');
	for (unsigned i = 0; i < ncommon + desc->nfields; i++) {
		const struct event_field *f = i < ncommon ? &event_common[i] : &desc->fields[i - ncommon];

		if (f->name)
			text(b, f->name,
			     ways[run->tier ? tier_gives(run->tier, desc, f->name) : GIVES_NOTHING]);
	}
	buf_addc(b, '}');
}

static void add_event(struct buf *b, const struct sensor_run *run, const struct event_desc *desc)
{
	const char *hook;

	comma(b);
	buf_addc(b, '{');
	text(b, "name", desc->name);
	truth(b, "default", !desc->off);
	truth(b, "present", run->tier && tier_gives_event(run->tier, desc));
	key(b, "hooks");
	buf_addc(b, '[');
	for (unsigned pos = 0; (hook = check_hook(run, desc->type, &pos));)
		item(b, hook);
	buf_addc(b, ']');
	add_fields(b, run, desc);
	buf_addc(b, '}');
}

static void add_sensor(struct buf *b, const struct sensor_run *run)
{
	unsigned id = run->sensor->id;

	comma(b);
	buf_addc(b, '{');
	text(b, "name", sensor_name(id));
	text(b, "collector", collector_name(id));
	text(b, "tier", run->tier ? run->tier->name : NULL);
	add_tiers(b, run);
	key(b, "events");
	buf_addc(b, '[');
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor == id)
			add_event(b, run, desc);
	}
	buf_addc(b, ']');
	if (run->tier && run->tier->derives_how)
		text(b, "derived_how", run->tier->derives_how);
	truth(b, "taxes_all_syscalls", check_taxes_syscalls(run));
	truth(b, "loss_provable", sensor_loss_is_provable(run));
	buf_addc(b, '}');
}

void check_print_json(const struct check *check, FILE *to)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_addc(&b, '{');
	text(&b, "schema", CHECK_SCHEMA);
	text(&b, "version", TAPIO_VERSION);
	text(&b, "level", check->level);
	add_host(&b, check);
	text(&b, "transport", check_transport(check));
	add_privileges(&b, check); /* before features, which are all probed: tracefs is used for one */
	add_features(&b);
	key(&b, "sensors");
	buf_addc(&b, '[');
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (check->collector.runs[i].sensor)
			add_sensor(&b, &check->collector.runs[i]);
	buf_adds(&b, "]}\n");
	fwrite(b.data, 1, b.length, to);
	buf_free(&b);
}
