/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/unit_path.h"

#include "base/cleanup.h"
#include "identity/component.h"

const char UNIT_ROOT_SLICE[] = "-.slice";

enum { UNIT_NAME_MAX = 255 };

static const char *const suffixes[] = {
	".service", ".scope", ".slice", ".socket", ".mount", ".swap",
	".target", ".device", ".automount", ".timer", ".path",
};

/* A template, foo@.service, is no unit that could have processes. */
static bool stem_is_valid(struct bytes stem)
{
	const char *at = memchr(stem.data, '@', stem.length);

	if (!bytes_only(stem, LETTERS DIGITS ":-_.\\@"))
		return false;
	return !at || (at > stem.data && at + 1 < stem.data + stem.length);
}

static struct bytes unescaped(struct bytes name)
{
	bytes_skip(&name, "_");
	return name;
}

/* The unit that a cgroup is named for; length 0 if none. */
static struct bytes unit_of(struct bytes name)
{
	struct bytes unit = unescaped(name), stem = unit;

	if (unit.length > UNIT_NAME_MAX)
		return (struct bytes){ NULL, 0 };
	for (unsigned i = 0; i < COUNT_OF(suffixes); i++)
		if (bytes_chop(&stem, suffixes[i]))
			return stem_is_valid(stem) ? unit : (struct bytes){ NULL, 0 };
	return (struct bytes){ NULL, 0 };
}

static bool ends_as_slice(struct bytes name)
{
	return bytes_chop(&name, ".slice");
}

bool unit_is_slice(struct bytes name)
{
	return ends_as_slice(name) && unit_of(name).length && !memchr(name.data, '@', name.length);
}

/* Takes the slices off *path: what is left begins with the first name that is none. */
static struct bytes take_slices(struct bytes *path)
{
	struct bytes slice = { UNIT_ROOT_SLICE, sizeof(UNIT_ROOT_SLICE) - 1 };
	struct bytes rest = *path, name;

	while (component_next(&rest, &name) && unit_is_slice(name)) {
		slice = unescaped(name);
		*path = rest;
	}
	return slice;
}

/* Takes one name off *path and tells which unit it is of. */
static struct bytes take_unit(struct bytes *path)
{
	struct bytes name, unit;

	if (!component_next(path, &name))
		return (struct bytes){ NULL, 0 };
	unit = unit_of(name);
	return ends_as_slice(unit) ? (struct bytes){ NULL, 0 } : unit;
}

/* Whether a user's own units are below: a user's systemd, a capsule's, or a session. */
static bool holds_user_units(struct bytes unit)
{
	struct bytes name = unit;

	if (bytes_skip(&name, "user@") && bytes_chop(&name, ".service"))
		return name.length <= 10 && bytes_only(name, DIGITS);
	name = unit;
	if (bytes_skip(&name, "session-") && bytes_chop(&name, ".scope"))
		return bytes_only(name, LETTERS DIGITS);
	name = unit;
	return bytes_skip(&name, "capsule@") && bytes_chop(&name, ".service");
}

static void skip_prefix(struct bytes *path)
{
	struct bytes rest = *path, name;

	while (component_next(&rest, &name)) {
		if (unit_of(name).length)
			return;
		*path = rest;
	}
}

void unit_path_parse(struct bytes path, struct unit_path *ret)
{
	struct unit_path found = { 0 };

	skip_prefix(&path);
	found.slice = take_slices(&path);
	found.unit = take_unit(&path);
	found.found = found.unit.length || found.slice.data != UNIT_ROOT_SLICE;
	found.user = holds_user_units(found.unit);
	if (found.user) {
		found.user_slice = take_slices(&path);
		found.user_unit = take_unit(&path);
	}
	*ret = found;
}
