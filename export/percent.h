/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORT_PERCENT_H
#define EXPORT_PERCENT_H

#include <stdbool.h>

/*
 * Decodes %XX in place. False if a percent sign is not followed by two hexadecimal digits, or stands
 * for a NUL; the string is then of no use.
 */
bool percent_decode(char *s);

#endif
