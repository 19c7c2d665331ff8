/* SPDX-License-Identifier: Apache-2.0 */
/* What an event tells of a DNS message: the record's fixed fields and its strings. */
#ifndef CORRELATE_DNS_TEXT_H
#define CORRELATE_DNS_TEXT_H

#include "base/buf.h"
#include "correlate/dns/message.h"
#include "event/event.h"

#define DNS_TEXT_SCRATCH 24576 /* octets of the longest string */

/* A record while it is made: the structure, and strings behind it. */
struct dns_text {
	union {
		struct tapio_event ev;
		struct tapio_dns_message message;
		struct tapio_dns_lookup lookup;
		struct tapio_dns_error error;
		struct tapio_dns_encrypted encrypted;
		char octets[TAPIO_RECORD_MAX];
	};
	size_t at;          /* behind the last string */
	struct buf scratch; /* for one string */
};

/* 0 or -ENOMEM. */
int dns_text_open(struct dns_text *t);
void dns_text_close(struct dns_text *t);

/* Begins a record with `size` zeroed octets of structure. */
void dns_text_begin(struct dns_text *t, unsigned type, size_t size);

/* Adds a string; what does not fit any more is left out. */
struct tapio_str dns_text_add(struct dns_text *t, const char *text, size_t n);
struct tapio_str dns_text_adds(struct dns_text *t, const char *text);
struct tapio_strv dns_text_addresses(struct dns_text *t, const struct tapio_address *list, unsigned n);

/* Type, class and opcode of the question, as far as they are worth telling. */
void dns_text_question(struct dns_text *t, const struct dns_question *q, uint8_t opcode);

/* Everything that a message says beside its question. */
void dns_text_message(struct dns_text *t, const struct dns_message *m);

/* The response code by its name. */
struct tapio_str dns_text_rcode(struct dns_text *t, uint16_t rcode);

/* Sets the record's size; it is whole then. */
const struct tapio_event *dns_text_end(struct dns_text *t);

#endif
