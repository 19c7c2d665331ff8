/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DNS message: RFC 1035 4.1, with EDNS (RFC 6891). Read without allocation and without recursion, in one pass;
 * everything in it is hostile.
 *
 *	struct dns_message m;
 *	struct dns_record r;
 *
 *	dns_message_read(data, n, &m);
 *	for (struct dns_cursor c = dns_records(&m); dns_next(&c, &r);)
 *		dns_rdata_text(&m, &r, &out);
 *
 * A message with a flaw has everything that came before it.
 */
#ifndef CORRELATE_DNS_MESSAGE_H
#define CORRELATE_DNS_MESSAGE_H

#include "correlate/dns/name.h"

#define DNS_HEADER 12

/* Bits of dns_message.flags: RFC 1035 4.1.1, RFC 4035 3.2. */
#define DNS_QR 0x8000
#define DNS_AA 0x0400
#define DNS_TC 0x0200
#define DNS_RD 0x0100
#define DNS_RA 0x0080
#define DNS_Z 0x0040
#define DNS_AD 0x0020
#define DNS_CD 0x0010

enum dns_section { DNS_QUESTIONS, DNS_ANSWERS, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

/* Types and classes that the decoder itself knows. All with names: names.h. */
enum { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_SOA = 6, DNS_TYPE_AAAA = 28, DNS_TYPE_OPT = 41, DNS_CLASS_IN = 1 };

/* Of a class in multicast DNS: RFC 6762 10.2 and 18.12. */
#define DNS_CACHE_FLUSH 0x8000

/* EDNS options: RFC 7871, RFC 7873, RFC 8914. */
enum { DNS_OPTION_CLIENT_SUBNET = 8, DNS_OPTION_COOKIE = 10, DNS_OPTION_EXTENDED_ERROR = 15 };

/* Of the only question, or of the first one. */
struct dns_question {
	uint16_t type, class;
	struct dns_name name; /* last: lookups.c copies only as much of it as there is */
};

struct dns_edns {
	bool present;
	uint8_t version;
	bool dnssec_ok;        /* DO: RFC 3225 */
	uint16_t payload_size; /* octets of UDP that the sender takes */
	size_t options_at; /* in the message */
	uint16_t options_length;
};

struct dns_message {
	struct dns_octets octets;
	uint16_t id, flags;
	uint8_t opcode;
	uint16_t rcode; /* with the upper bits from the OPT record: RFC 6891 6.1.3 */
	uint16_t counts[DNS_SECTIONS]; /* as the header has them */
	struct dns_question question; /* name.length 0: there is none, or it could not be read */
	struct dns_edns edns;
	size_t records_at; /* behind the questions; 0: not reached */
	uint32_t records;  /* those that can be read */
	enum dns_flaw flaw; /* the first */
	size_t flaw_at;
};

struct dns_record {
	enum dns_section section;
	struct dns_name name;
	uint16_t type, class;
	uint32_t ttl; /* seconds; what has the first bit set is large, not 0: RFC 8767 4 */
	size_t rdata_at;
	uint16_t rdata_length;
};

struct dns_cursor {
	const struct dns_message *message;
	size_t at;
	uint32_t done; /* records */
};

/*
 * `ret` borrows the octets. Whether there is at least a header; what else is wrong is in ret->flaw. A message that was
 * cut, as a kernel or a datagram's size may do, ends early.
 */
bool dns_message_read(const void *data, size_t length, struct dns_message *ret);

/* Records that can be read, of all sections but the questions, in their order. */
struct dns_cursor dns_records(const struct dns_message *m);
bool dns_next(struct dns_cursor *c, struct dns_record *ret);
/* The same for who needs no name: it stays undefined. */
bool dns_next_unnamed(struct dns_cursor *c, struct dns_record *ret);

struct dns_option {
	uint16_t code, length;
	const uint8_t *data;
};

/* The EDNS option at *at, from 0 on; false at the end, or where the rest is none. */
bool dns_option(const struct dns_message *m, size_t *at, struct dns_option *ret);

/*
 * The contents of a record as in a zone file: RFC 1035 5, and the RFC of each type. Names have no dot at the end.
 * Of a type that is not known, or where the contents are not of the type's form, as RFC 3597 5 has it: "\# 3 616263".
 * Whether they had the form.
 */
bool dns_rdata_text(const struct dns_message *m, const struct dns_record *r, struct buf *out);

/* The client's network of an EDNS option: "192.0.2.0/24". False if it is none. RFC 7871 6. */
bool dns_client_subnet_text(const struct dns_option *option, struct buf *out);

/* The code of an extended error, -1 if it is none. RFC 8914 2. Its text is *ret_text, any octets. */
int dns_extended_error(const struct dns_option *option, struct dns_octets *ret_text);

#endif
