/* SPDX-License-Identifier: Apache-2.0 */
/* Names of numbers in IANA's registries of DNS parameters. What is newer than these tables stays a number. */
#ifndef CORRELATE_DNS_NAMES_H
#define CORRELATE_DNS_NAMES_H

#include <stdint.h>

#include "base/buf.h"

/* NULL for what is not assigned or not in the tables. */
const char *dns_type_name(uint16_t type);
const char *dns_class_name(uint16_t class);
const char *dns_opcode_name(uint8_t opcode);
const char *dns_rcode_name(uint16_t rcode);
/* RFC 8914 5.2. */
const char *dns_extended_error_name(uint16_t code);
/* RFC 9460 14.3. */
const char *dns_svc_key_name(uint16_t key);

/* The name, or as RFC 3597 5 has it: TYPE65280, CLASS42. */
void dns_type_text(uint16_t type, struct buf *out);
void dns_class_text(uint16_t class, struct buf *out);

/* The number of a type by its name without regard to case, or by TYPE65280; -1 if it is none. */
int dns_type_number(const char *name);

/*
 * How the contents of a record of this type are written, a letter per piece; NULL if unknown: RFC 3597 form.
 *
 *	i       first: of class IN alone, in others unknown
 *	b h w   a number of 1, 2, 4 octets      t   a type      T   seconds since 1970, as 20261129150405
 *	n N     a name that may be compressed, that may not
 *	4 6     an address                      e E six, eight octets: 00-00-5e-00-53-2a
 *	s a     a character-string in quotes, without
 *	y z     octets behind their number, in base 16 ("-" if none), in base 32 hex
 *	S q     the rest: character-strings, at least one; one string in quotes
 *	x B     the rest in base 16, in base 64
 *	M p     the rest: a bitmap of types (RFC 4034 4.1.2), parameters of a service (RFC 9460 2.2)
 */
const char *dns_type_form(uint16_t type);

#endif
