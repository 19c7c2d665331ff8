/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tapio complete: the names that a shell's completion offers (deploy/completion). Options and their values it
 * takes from --help; these are in no help text. Loads nothing and takes no privilege.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

static void events(void)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (event_desc_by_type(type))
			puts(event_desc_by_type(type)->name);
}

/* those that `tapio trace --event` takes */
static void traced(void)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (event_desc_by_type(type) && event_desc_by_type(type)->sensor)
			puts(event_desc_by_type(type)->name);
}

/* of which an event can be chosen: `tapio trace` takes no others */
static bool has_events(unsigned id)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++)
		if (event_desc_by_type(type) && event_desc_by_type(type)->sensor == id)
			return true;
	return false;
}

static void sensor_names(void)
{
	const struct sensor *const *s, *const *end = sensors(&s);

	for (; s < end; s++)
		if (has_events((*s)->id))
			printf("%s\n%s\n", sensor_name((*s)->id), collector_name((*s)->id));
}

static void tiers(void)
{
	const struct sensor *const *s, *const *end = sensors(&s);

	for (; s < end; s++)
		for (unsigned i = 0; i < ladder_height(*s); i++)
			printf("%s=%s\n", sensor_name((*s)->id), (*s)->tiers[i].name);
}

int cmd_complete(int argc, char **argv)
{
	static const struct {
		const char *kind;
		void (*print)(void);
	} kinds[] = { { "events", events }, { "traced", traced }, { "sensors", sensor_names }, { "tiers", tiers } };

	for (size_t i = 0; argc == 2 && i < COUNT_OF(kinds); i++)
		if (!strcmp(argv[1], kinds[i].kind)) {
			kinds[i].print();
			return STATUS_OK;
		}
	fprintf(stderr, "usage: tapio complete events | traced | sensors | tiers\n");
	return STATUS_USAGE;
}
