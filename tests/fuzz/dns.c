/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a DNS message. Whatever it says, reading it ends, stays inside, and what is read is well-formed: names
 * of at most 255 octets, records in their sections, text of printable characters.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "correlate/dns/message.h"
#include "correlate/dns/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char storage[1 << 19]; /* four characters for each octet, and names that expand */
static struct buf text;

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void begin_text(void)
{
	text = (struct buf){ .data = storage, .capacity = sizeof(storage), .max = sizeof(storage) };
}

static void check_text(void)
{
	for (size_t i = 0; i < text.length; i++)
		require(storage[i] >= ' ' && storage[i] <= '~', "text that is not printable");
	require(!text.refused, "text that does not fit");
}

static void check_name(const struct dns_name *name)
{
	unsigned at = 0;

	while (name->wire[at]) {
		require(name->wire[at] < 64, "a label of more than 63 octets");
		at += name->wire[at] + 1u;
		require(at < name->length, "a name that does not end");
	}
	require(at + 1 == name->length, "a name that goes on behind its end");
	require(dns_name_same(name, name), "a name that is not itself");
	dns_name_hash(name);
	begin_text();
	dns_name_text(name, &text);
	check_text();
	require(text.length && text.length < DNS_NAME_TEXT_MAX, "text of a name that is too long");
}

static void check_records(const struct dns_message *m)
{
	unsigned section = DNS_ANSWERS, seen = 0;
	struct dns_record r;

	for (struct dns_cursor c = dns_records(m); dns_next(&c, &r); seen++) {
		require(r.section >= section && r.section < DNS_SECTIONS, "records out of order");
		section = r.section;
		require(r.rdata_at + r.rdata_length <= m->octets.length, "a record outside the message");
		check_name(&r.name);
		begin_text();
		dns_type_text(r.type, &text);
		dns_class_text(r.class, &text);
		dns_rdata_text(m, &r, &text);
		check_text();
	}
	require(seen == m->records, "records that were counted and do not come");
}

static void check_options(const struct dns_message *m)
{
	struct dns_octets words;
	struct dns_option o;
	size_t at = 0;

	while (dns_option(m, &at, &o)) {
		require(o.data + o.length <= m->octets.data + m->octets.length, "an option outside the message");
		begin_text();
		dns_client_subnet_text(&o, &text);
		check_text();
		if (dns_extended_error(&o, &words) >= 0)
			require(words.length + 2 == o.length, "an extended error's text");
	}
}

static void check_numbers(const struct dns_message *m)
{
	const char *opcode = dns_opcode_name(m->opcode), *rcode = dns_rcode_name(m->rcode);
	const char *error = dns_extended_error_name(m->id), *type = dns_type_name(m->question.type);

	require((!opcode || *opcode) && (!rcode || *rcode) && (!error || *error), "an empty name");
	require(!type || dns_type_number(type) == m->question.type, "a type's name that is another's");
	begin_text();
	buf_printf(&text, "TYPE%u", m->question.type);
	require(dns_type_number(buf_cstr(&text)) == m->question.type, "a type's number that is another's");
}

/* The octets as the name of a type, which a user gave. */
static void check_type_name(const uint8_t *data, size_t size)
{
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)(size < sizeof(name) ? size : sizeof(name) - 1), (const char *)data);
	require(dns_type_number(name) <= UINT16_MAX, "a type that is none");
}

static void check(const uint8_t *data, size_t size)
{
	struct dns_message m;
	bool read = dns_message_read(data, size, &m);

	require(read == (size >= DNS_HEADER), "a header");
	require(!m.flaw == !dns_flaw_name(m.flaw), "a flaw without a name");
	require(m.flaw_at <= size, "a flaw outside the message");
	if (m.question.name.length)
		check_name(&m.question.name);
	check_records(&m);
	check_options(&m);
	check_numbers(&m);
}

/* The same contents as records of each type that has a form. */
static void check_contents(const uint8_t *data, size_t size)
{
	static uint8_t message[DNS_HEADER + 11 + 512] = { [7] = 1 };
	unsigned n = size < 512 ? (unsigned)size : 512;

	for (unsigned type = 1; type <= 32769; type = type == 300 ? 32768 : type + 1) {
		uint8_t *exact;

		if (!dns_type_form((uint16_t)type))
			continue;
		message[DNS_HEADER + 1] = (uint8_t)(type >> 8);
		message[DNS_HEADER + 2] = (uint8_t)type;
		message[DNS_HEADER + 4] = 1;
		message[DNS_HEADER + 9] = (uint8_t)(n >> 8);
		message[DNS_HEADER + 10] = (uint8_t)n;
		memcpy(message + DNS_HEADER + 11, data, n);
		exact = malloc(DNS_HEADER + 11 + n);
		if (!exact)
			return;
		memcpy(exact, message, DNS_HEADER + 11 + n);
		check(exact, DNS_HEADER + 11 + n);
		free(exact);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	/* the first octet says whether the rest is a message or the contents of a record */
	if (!size)
		return 0;
	if (data[0] & 1) {
		check_contents(data + 1, size - 1);
		check_type_name(data + 1, size - 1);
		return 0;
	}
	exact = malloc(size > 1 ? size - 1 : 1); /* nothing behind it may be read */
	if (!exact)
		return 0;
	memcpy(exact, data + 1, size - 1);
	check(exact, size - 1);
	free(exact);
	return 0;
}
