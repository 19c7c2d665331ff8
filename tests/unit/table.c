/* SPDX-License-Identifier: Apache-2.0 */
/* The table must describe each record fully and once, and keep what it has published. */
#include "event/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tests/test.h"

#define EACH_DESC(desc)                                                                            \
	for (unsigned type_ = 0; type_ <= TAPIO_EV_MAX; type_++)                                   \
		for (const struct event_desc *desc = event_desc_by_type(type_); desc; desc = NULL)

TEST(unit, table_describes_every_byte_once)
{
	EACH_DESC(desc) {
		unsigned char described[TAPIO_RECORD_MAX] = { 0 };

		for (unsigned i = 0; i < desc->nfields; i++) {
			const struct event_field *f = &desc->fields[i];

			REQUIRE(f->offset + f->size <= desc->size, "%s: %s ends behind the record",
				desc->name, f->name);
			for (unsigned k = 0; k < f->size && !(f->flags & ALIAS); k++)
				described[f->offset + k]++;
		}
		for (unsigned i = 0; i < desc->size; i++) {
			unsigned times = i >= sizeof(struct tapio_event);

			CHECK(described[i] == times, "%s: byte %u described %u times instead of %u",
			      desc->name, i, described[i], times);
		}
	}
}

TEST(unit, table_aliases_have_a_first_row)
{
	EACH_DESC(desc) {
		for (unsigned i = 0; i < desc->nfields; i++) {
			const struct event_field *f = &desc->fields[i];
			unsigned first = 0;

			for (unsigned k = 0; k < desc->nfields; k++)
				first += !(desc->fields[k].flags & ALIAS) && desc->fields[k].offset == f->offset &&
					 desc->fields[k].size == f->size;
			CHECK(first == 1, "%s: %s: %u rows on its member", desc->name, f->name, first);
		}
	}
}

static bool good_name(const char *name)
{
	bool start = true;

	for (; *name; name++) {
		if (*name == '.' ? start : start ? !islower((unsigned char)*name) :
						   !islower((unsigned char)*name) &&
							   !isdigit((unsigned char)*name) && *name != '_')
			return false;
		start = *name == '.';
	}
	return !start;
}

static void check_field(const char *event, const struct event_field *f)
{
	if (f->kind == KIND_NONE) {
		CHECK(!f->name && !f->help && !f->unit && !f->label, "%s: padding with a name", event);
		return;
	}
	CHECK(f->name && good_name(f->name), "%s: name '%s'", event, f->name);
	CHECK(strlen(f->name) <= 44, "%s: %s: the keys of export/json.c hold 44 bytes", event, f->name);
	CHECK(strcmp(f->name, "time") && strcmp(f->name, "event") && strcmp(f->name, "tapio.absent"),
	      "%s: %s is taken", event, f->name);
	CHECK(f->help && *f->help && f->help[strlen(f->help) - 1] != '.', "%s: %s: help", event, f->name);
	CHECK(!f->unit || *f->unit, "%s: %s: empty unit", event, f->name);
	CHECK(f->size && f->kind <= KIND_ADDRESS, "%s: %s: size %u, kind %u", event, f->name, f->size, f->kind);
}

TEST(unit, table_names)
{
	const char *names[300];

	EACH_DESC(desc) {
		unsigned n = 0;

		CHECK(good_name(desc->name) && strchr(desc->name, '.'), "event name '%s'", desc->name);
		CHECK(desc->help && *desc->help && desc->help[strlen(desc->help) - 1] != '.', "%s: help",
		      desc->name);
		for (unsigned i = 0; i < event_common_count(desc); i++) {
			check_field(desc->name, &event_common[i]);
			names[n++] = event_common[i].name;
		}
		for (unsigned i = 0; i < desc->nfields; i++) {
			check_field(desc->name, &desc->fields[i]);
			if (desc->fields[i].name)
				names[n++] = desc->fields[i].name;
		}
		for (unsigned i = 0; i < n; i++)
			for (unsigned k = 0; k < i; k++)
				CHECK(strcmp(names[i], names[k]), "%s: two fields %s", desc->name, names[i]);
	}
}

TEST(unit, table_type_numbers)
{
	/* published to other processes by pinned rings: append, never change */
	static const char *const published[] = {
		[1] = "tapio.lost",   [2] = "process.exec", [3] = "process.exec_failed",
		[4] = "process.exit", [5] = "process.fork",
		[6] = "cgroup.created", [7] = "cgroup.removed", [8] = "cgroup.renamed",
		[9] = "cgroup.entered", [10] = "tapio.identity", [11] = "tapio.started",
		[12] = NULL /* packets, of which the others are made */, [13] = "dns.lookup", [14] = "dns.timeout",
		[15] = "dns.query", [16] = "dns.response", [17] = "dns.error", [18] = "dns.encrypted",
	};

	CHECK(sizeof(published) / sizeof(published[0]) == TAPIO_EV_MAX, "%zu of %d types are kept here: append the new ones",
	      sizeof(published) / sizeof(published[0]), TAPIO_EV_MAX);
	for (unsigned i = 1; i < sizeof(published) / sizeof(published[0]); i++) {
		const struct event_desc *desc = event_desc_by_type(i);

		if (!published[i])
			continue;
		REQUIRE(desc && !strcmp(desc->name, published[i]), "type %u is not %s", i, published[i]);
		CHECK(event_desc_by_name(published[i]) == desc, "%s not found by name", published[i]);
	}
	EACH_DESC(desc) {
		CHECK(desc->type == type_ && event_desc_by_name(desc->name) == desc, "%s", desc->name);
		CHECK(desc->size >= sizeof(struct tapio_event) && desc->size <= TAPIO_RECORD_MAX &&
			      desc->size % 8 == 0,
		      "%s: %u bytes", desc->name, desc->size);
		CHECK(!desc->sensor || sensor_name(desc->sensor), "%s: sensor %u", desc->name, desc->sensor);
		CHECK(desc->ring < TAPIO_RINGS, "%s: ring %u", desc->name, desc->ring);
	}
	CHECK(!event_desc_by_type(0) && !event_desc_by_type(TAPIO_EV_MAX) && !event_desc_by_type(65535),
	      "a type that does not exist");
	CHECK(!event_desc_by_name("") && !event_desc_by_name("process"), "a name that does not exist");
	CHECK(sizeof(struct tapio_event) == 72, "header of %zu bytes", sizeof(struct tapio_event));
}

TEST(unit, table_masks_fit)
{
	EACH_DESC(desc)
		CHECK(event_ncommon + desc->nfields <= 64, "%s: %u fields and %u common ones", desc->name,
		      desc->nfields, event_ncommon);
}

TEST(unit, table_field_index)
{
	EACH_DESC(desc) {
		for (unsigned i = 0; i < event_ncommon; i++) {
			int index = event_field_index(desc, event_common[i].name);

			/* one that is about no process may have a field of its own of that name */
			CHECK(desc->sensor ? index == (int)i : index == -ENOENT || index >= (int)event_ncommon, "%s: %s", desc->name,
			      event_common[i].name);
		}
		for (unsigned i = 0; i < desc->nfields; i++)
			if (desc->fields[i].name)
				CHECK(event_field_index(desc, desc->fields[i].name) == (int)(event_ncommon + i),
				      "%s: %s: %d", desc->name, desc->fields[i].name,
				      event_field_index(desc, desc->fields[i].name));
		CHECK(event_field_index(desc, "") == -ENOENT && event_field_index(desc, "time") == -ENOENT,
		      "%s: a field that does not exist", desc->name);
	}
}

TEST(unit, table_sensors_and_causes)
{
	for (unsigned i = 1; i < TAPIO_SENSOR_MAX; i++) {
		REQUIRE(sensor_name(i) && collector_name(i), "sensor %u has no name", i);
		CHECK(sensor_by_name(sensor_name(i)) == (int)i, "sensor %s", sensor_name(i));
	}
	CHECK(!sensor_name(0) && !sensor_name(TAPIO_SENSOR_MAX) && !collector_name(TAPIO_SENSOR_MAX) &&
		      sensor_by_name("nothing") == -ENOENT,
	      "a sensor that does not exist");
	for (unsigned i = 0; i < TAPIO_CAUSE_MAX; i++)
		CHECK(cause_name(i) && good_name(cause_name(i)) && cause_help(i), "cause %u", i);
	CHECK(!cause_name(TAPIO_CAUSE_MAX) && !cause_help(TAPIO_CAUSE_MAX), "a cause that does not exist");
}
