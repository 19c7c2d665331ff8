/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's status (docs/STATUS.md) made readable. The printing knows no key: what a newer or older
 * agent says is shown all the same. A key's end tells how its number reads: _bytes, _ns.
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "base/buf.h"

/*
 * Appends the lines for a JSON object. Strings in it cannot steer the terminal. 0, or -EINVAL and in
 * `why` what is wrong with it.
 */
int status_print(struct buf *out, const char *json, size_t n, char *why, size_t size);

#endif
