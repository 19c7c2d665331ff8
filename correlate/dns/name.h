/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domain names: RFC 1035 3.1 and 4.1.4, compared as in RFC 4343.
 *
 * Reading ends soon whatever the message says: a compression pointer must lead to before the piece of the name that it
 * ends, there are at most 127 of them, and a name has at most 255 octets.
 */
#ifndef CORRELATE_DNS_NAME_H
#define CORRELATE_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "correlate/dns/flaw.h"

#define DNS_NAME_MAX 255
/* As text: each octet as \DDD, and a NUL. */
#define DNS_NAME_TEXT_MAX 1024

/* Uncompressed: labels behind their lengths, up to the root's empty one. */
struct dns_name {
	uint8_t length; /* the root's octet included: 1 to 255 */
	uint8_t wire[DNS_NAME_MAX];
};

/* A message, or the part of it up to which may be read. */
struct dns_octets {
	const uint8_t *data;
	size_t length;
};

/* Reads the name at *at and moves *at behind it, there where it stands. On a flaw both outputs are undefined. */
enum dns_flaw dns_name_read(const struct dns_octets *message, size_t *at, struct dns_name *ret);

/* The same for a place where compression is not allowed (RFC 3597 4): a pointer is a flaw. */
enum dns_flaw dns_name_read_plain(const struct dns_octets *message, size_t *at, struct dns_name *ret);

/* Where a name that was read before ends. */
size_t dns_name_end(const struct dns_octets *message, size_t at);

/*
 * As in a zone file, without the dot at the end but for the root, which is ".". What is not a printable ASCII
 * character is \DDD; characters that mean something there have a backslash (RFC 1035 5.1, RFC 4343 2.1).
 */
void dns_name_text(const struct dns_name *name, struct buf *out);

/* An octet of a name or of a character-string, escaped likewise; `special` lists what gets a backslash. */
void dns_octet_text(uint8_t octet, const char *special, struct buf *out);

/* Without regard to the case of ASCII letters. */
bool dns_name_same(const struct dns_name *a, const struct dns_name *b);
/* Equal for names that are the same. */
uint64_t dns_name_hash(const struct dns_name *name);

#endif
