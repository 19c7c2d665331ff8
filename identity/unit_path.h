/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd's names in a cgroup path say, by systemd's own rules: slices first, then one unit;
 * below user@UID.service, capsule@NAME.service or session-N.scope the same again for the user.
 *
 * Pure and without allocation. Names are as systemd shows them: the "_" which it puts before a
 * name that the kernel could take for its own is gone, its escapes (\x2d) stay.
 */
#ifndef IDENTITY_UNIT_PATH_H
#define IDENTITY_UNIT_PATH_H

#include <stdbool.h>
#include "event/view.h"

/*
 * References into the path, except that a slice may be UNIT_ROOT_SLICE itself. Length 0: there is
 * none. Only letters, digits and :-_.\@ occur in them, and at most 255 bytes.
 */
struct unit_path {
	struct bytes unit;
	struct bytes slice;
	struct bytes user_unit;
	struct bytes user_slice;
	bool found;     /* a unit or a slice stands in the path: slice is not only the default */
	bool user;      /* something below a user's systemd or session */
};

extern const char UNIT_ROOT_SLICE[]; /* "-.slice" */

/*
 * Names before the first one that is a slice or a unit are skipped: the cgroup of a box in which a
 * systemd runs. A path without any has slice UNIT_ROOT_SLICE and nothing else.
 */
void unit_path_parse(struct bytes path, struct unit_path *ret);

/* Whether a cgroup is named as systemd names that of a slice. */
bool unit_is_slice(struct bytes name);

#endif
