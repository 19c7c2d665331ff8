/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages as senders make them, and as nobody should. */
#include "correlate/dns/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "correlate/dns/names.h"
#include "tests/test.h"
#include "tests/unit/dns_packet.h"

static struct packet p;
static struct dns_message m;

static const char *text_of(const struct dns_name *name)
{
	static char text[DNS_NAME_TEXT_MAX];
	struct buf b = { .data = text, .capacity = sizeof(text), .max = sizeof(text) };

	dns_name_text(name, &b);
	return buf_cstr(&b);
}

/* The one flaw of the message, and how many records came before it. */
static void expect_flaw(const char *what, enum dns_flaw flaw, unsigned records)
{
	struct dns_record r;
	unsigned n = 0;

	dns_message_read(p.data, p.n, &m);
	CHECK(m.flaw == flaw, "%s: flaw %d at %zu, not %d", what, m.flaw, m.flaw_at, flaw);
	CHECK(m.records == records, "%s: %u records, not %u", what, m.records, records);
	for (struct dns_cursor c = dns_records(&m); dns_next(&c, &r);)
		n++;
	CHECK(n == records, "%s: %u records come, not %u", what, n, records);
}

TEST(unit, dns_query)
{
	put_header(&p, DNS_RD | DNS_AD, 1, 0, 0, 0);
	put_name(&p, "WWW.example.COM");
	put16(&p, DNS_TYPE_AAAA);
	put16(&p, DNS_CLASS_IN);
	expect_flaw("a query", DNS_SOUND, 0);
	CHECK(m.id == 0x1234 && m.flags == (DNS_RD | DNS_AD) && !m.opcode && !m.rcode, "header: %x %x", m.id, m.flags);
	CHECK(m.question.type == DNS_TYPE_AAAA && m.question.class == DNS_CLASS_IN, "question: %u", m.question.type);
	CHECK(!strcmp(text_of(&m.question.name), "WWW.example.COM"), "name '%s'", text_of(&m.question.name));
	CHECK(!m.edns.present, "EDNS");
}

/* An answer with names that point back, an authority, and EDNS. */
TEST(unit, dns_response)
{
	struct dns_record r;
	struct dns_cursor c;
	size_t at;

	put_header(&p, DNS_QR | DNS_RD | DNS_RA | 3, 1, 2, 1, 1);
	put_name(&p, "www.example.com"); /* at 12; example.com at 16 */
	put16(&p, DNS_TYPE_A);
	put16(&p, DNS_CLASS_IN);
	put16(&p, 0xc00c);
	put16(&p, DNS_TYPE_CNAME);
	put16(&p, DNS_CLASS_IN);
	put32(&p, 60);
	put16(&p, 7);
	put8(&p, 4);
	put(&p, "host", 4);
	put16(&p, 0xc010);
	at = p.n - 7;
	put16(&p, 0xc000 | (unsigned)at); /* host.example.com */
	put16(&p, DNS_TYPE_A);
	put16(&p, DNS_CLASS_IN);
	put32(&p, 30);
	put16(&p, 4);
	put32(&p, 0xc0000201);
	at = put_record(&p, "example.com", 2);
	put16(&p, 0xc00c);
	put_end(&p, at);
	put_name(&p, "");
	put16(&p, DNS_TYPE_OPT);
	put16(&p, 1232);
	put32(&p, 0x01008000); /* the upper bits of BADVERS, version 0, DO */
	put16(&p, 0);
	expect_flaw("an answer", DNS_SOUND, 4);
	CHECK(m.rcode == 19, "rcode %u", m.rcode);
	CHECK(m.edns.present && m.edns.payload_size == 1232 && m.edns.dnssec_ok && !m.edns.version, "EDNS");
	c = dns_records(&m);
	CHECK(dns_next(&c, &r) && r.section == DNS_ANSWERS && r.ttl == 60 && dns_name_same(&r.name, &m.question.name), "the first");
	CHECK(dns_next(&c, &r) && !strcmp(text_of(&r.name), "host.example.com") && r.type == DNS_TYPE_A, "the second: %s",
	      text_of(&r.name));
	CHECK(dns_next(&c, &r) && r.section == DNS_AUTHORITY && r.ttl == 300, "the third");
	CHECK(dns_next(&c, &r) && r.section == DNS_ADDITIONAL && r.type == DNS_TYPE_OPT && !dns_next(&c, &r), "the fourth");
}

/* Wherever a message is cut, what came before is there and nothing behind is read. */
TEST(unit, dns_cut_anywhere)
{
	struct packet whole;
	size_t at;

	put_header(&p, DNS_QR, 1, 3, 0, 0);
	put_name(&p, "a.example");
	put16(&p, 16);
	put16(&p, 1);
	for (unsigned i = 0; i < 3; i++) {
		at = put_record(&p, "a.example", 16);
		put8(&p, 5);
		put(&p, "hello", 5);
		put_end(&p, at);
	}
	whole = p;
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* nothing behind it may be read */

		REQUIRE(exact, "no memory");
		memcpy(exact, whole.data, n);
		CHECK(dns_message_read(exact, n, &m) == (n >= DNS_HEADER), "%zu octets", n);
		CHECK(m.flaw == (n < DNS_HEADER ? DNS_SHORT : DNS_ENDS_EARLY), "%zu octets: flaw %d", n, m.flaw);
		CHECK(m.records < 3, "%zu octets: %u records", n, m.records);
		free(exact);
	}
	p = whole;
	expect_flaw("whole", DNS_SOUND, 3);
	put8(&p, 0);
	expect_flaw("and one more", DNS_TRAILING, 3);
}

TEST(unit, dns_bad_names)
{
	static const struct {
		const char *what, *octets;
		size_t n;
		enum dns_flaw flaw;
	} names[] = {
		{ "a pointer to itself", "\xc0\x0c", 2, DNS_POINTER },
		{ "a pointer forward", "\xc0\x20", 2, DNS_POINTER },
		{ "a pointer to its own beginning", "\x01" "a\xc0\x0c", 4, DNS_POINTER },
		{ "half a pointer", "\xc0", 1, DNS_ENDS_EARLY },
		{ "an extended label", "\x41" "x", 2, DNS_LABEL_TYPE },
		{ "a label of no kind", "\x81" "x", 2, DNS_LABEL_TYPE },
		{ "a label that is longer than the message", "\x3f" "x", 2, DNS_ENDS_EARLY },
		{ "no end", "\x01" "a", 2, DNS_ENDS_EARLY },
		{ "nothing", "", 0, DNS_ENDS_EARLY },
	};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		put_header(&p, 0, 1, 0, 0, 0);
		put(&p, names[i].octets, names[i].n);
		expect_flaw(names[i].what, names[i].flaw, 0);
		CHECK(!m.question.name.length && !m.records_at, "%s: a question all the same", names[i].what);
	}
	/* the header itself has labels, to who points there */
	put_header(&p, 0, 1, 0, 0, 0);
	p.data[0] = 0xc0;
	p.data[1] = 0;
	put(&p, "\xc0\x00", 2);
	expect_flaw("two pointers in a circle", DNS_POINTER, 0);
}

/* A chain of pointers as long as a message has room for, and names that begin at its end. */
TEST(unit, dns_chain_of_pointers)
{
	for (unsigned links = 126; links <= 128; links++) {
		size_t at, top = DNS_HEADER + 11;

		put_header(&p, DNS_QR, 0, 2, 0, 0);
		at = put_record(&p, "", 10);
		put8(&p, 0);
		for (unsigned i = 1; i < links; i++) {
			size_t here = p.n;

			put16(&p, 0xc000 | (unsigned)(i > 1 ? here - 2 : top));
		}
		put_end(&p, at);
		at = p.n - 2;
		put16(&p, 0xc000 | (unsigned)at);
		put32(&p, 0x00100001);
		put32(&p, 0);
		put16(&p, 0);
		expect_flaw("a chain", links <= 127 ? DNS_SOUND : DNS_POINTER, links <= 127 ? 2 : 1);
	}
}

static void put_labels(unsigned count, unsigned length)
{
	static const char label[64] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

	while (count--) {
		put8(&p, length);
		put(&p, label, length);
	}
}

TEST(unit, dns_name_of_255_octets)
{
	put_header(&p, 0, 1, 0, 0, 0);
	put_labels(3, 63);
	put_labels(1, 61);
	put8(&p, 0);
	put32(&p, 0x00010001);
	expect_flaw("255 octets", DNS_SOUND, 0);
	CHECK(m.question.name.length == 255, "%u octets", m.question.name.length);
	put_header(&p, 0, 1, 0, 0, 0);
	put_labels(3, 63);
	put_labels(1, 62);
	put8(&p, 0);
	put32(&p, 0x00010001);
	expect_flaw("256 octets", DNS_NAME_LENGTH, 0);
	put_header(&p, 0, 1, 0, 0, 0);
	put_labels(127, 1);
	put8(&p, 0);
	put32(&p, 0x00010001);
	expect_flaw("127 labels", DNS_SOUND, 0);
	CHECK(m.question.name.length == 255, "%u octets", m.question.name.length);
}

/* 65,535 of everything in a few octets. */
TEST(unit, dns_counts_that_lie)
{
	put_header(&p, DNS_QR, 65535, 65535, 65535, 65535);
	expect_flaw("no question", DNS_ENDS_EARLY, 0);
	put_header(&p, DNS_QR, 0, 65535, 65535, 65535);
	for (unsigned i = 0; p.n + 11 <= 65535; i++) {
		put_name(&p, "");
		put32(&p, 0x00010001);
		put32(&p, 0);
		put16(&p, 0);
	}
	expect_flaw("as many as fit", DNS_ENDS_EARLY, 5956);
	put_header(&p, 0, 2, 0, 0, 0);
	put_name(&p, "first");
	put32(&p, 0x00010001);
	put_name(&p, "second");
	put32(&p, 0x00020001);
	expect_flaw("two questions", DNS_SOUND, 0);
	CHECK(!strcmp(text_of(&m.question.name), "first") && m.counts[DNS_QUESTIONS] == 2, "the first counts: %s",
	      text_of(&m.question.name));
}

TEST(unit, dns_edns)
{
	struct dns_option o;
	struct dns_octets text;
	char subnet[64];
	struct buf b = { .data = subnet, .capacity = sizeof(subnet), .max = sizeof(subnet) };
	size_t at = 0, began;

	put_header(&p, DNS_QR, 0, 0, 0, 1);
	began = put_record(&p, "", DNS_TYPE_OPT);
	put32(&p, 0x00080007); /* client subnet, 7 octets: IPv4, 24, 0 */
	put32(&p, 0x00011800);
	put(&p, "\xc0\x00\x02", 3);
	put32(&p, 0x000f0008); /* extended error 15: Blocked */
	put16(&p, 15);
	put(&p, "policy", 6);
	put32(&p, 0x000a0004); /* a cookie that is longer than the rest */
	put16(&p, 1);
	put_end(&p, began);
	expect_flaw("options, and half a one", DNS_OPT, 1);
	CHECK(dns_option(&m, &at, &o) && dns_client_subnet_text(&o, &b) && !strcmp(buf_cstr(&b), "192.0.2.0/24"), "subnet '%s'",
	      buf_cstr(&b));
	CHECK(dns_option(&m, &at, &o) && dns_extended_error(&o, &text) == 15 && text.length == 6 &&
	      !memcmp(text.data, "policy", 6), "extended error");
	CHECK(!strcmp(dns_extended_error_name(15), "Blocked"), "its name");
	CHECK(!dns_option(&m, &at, &o), "half an option");

	put_header(&p, DNS_QR, 0, 1, 0, 0);
	put_end(&p, put_record(&p, "", DNS_TYPE_OPT));
	expect_flaw("OPT among the answers", DNS_OPT, 1);
	put_header(&p, DNS_QR, 0, 0, 0, 1);
	put_end(&p, put_record(&p, "a", DNS_TYPE_OPT));
	expect_flaw("OPT of a name", DNS_OPT, 1);
	put_header(&p, DNS_QR, 0, 0, 0, 2);
	put_end(&p, put_record(&p, "", DNS_TYPE_OPT));
	put_end(&p, put_record(&p, "", DNS_TYPE_OPT));
	expect_flaw("two of them", DNS_OPT, 2);
}

TEST(unit, dns_client_subnets)
{
	static const struct {
		const char *octets;
		uint16_t n;
		const char *text; /* NULL: none */
	} subnets[] = {
		{ "\0\1\0\0", 4, "0.0.0.0/0" },
		{ "\0\1\x20\0\xc0\0\2\1", 8, "192.0.2.1/32" },
		{ "\0\2\x38\0\x20\1\x0d\xb8\0\1\0", 11, "2001:db8:1::/56" },
		{ "\0\1\x21\0\xc0\0\2\1\0", 9, NULL },
		{ "\0\3\0\0", 4, NULL },
		{ "\0\1\x18\0\xc0\0", 6, NULL },
		{ "\0\1\x18\0\xc0\0\2\0", 8, NULL },
		{ "\0\1\x19\0\xc0\0\2\x80", 8, "192.0.2.128/25" },
		{ "\0\1\x19\0\xc0\0\2\x81", 8, NULL },
		{ "\0\1\0", 3, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(subnets); i++) {
		struct dns_option o = { DNS_OPTION_CLIENT_SUBNET, subnets[i].n, (const uint8_t *)subnets[i].octets };
		char text[64];
		struct buf b = { .data = text, .capacity = sizeof(text), .max = sizeof(text) };
		bool is = dns_client_subnet_text(&o, &b);

		CHECK(is == !!subnets[i].text && (!is || !strcmp(buf_cstr(&b), subnets[i].text)), "subnet %zu: %d '%s'", i, is,
		      buf_cstr(&b));
	}
}

TEST(unit, dns_names_as_text)
{
	struct dns_name name = { .length = 12, .wire = "\5a.b\\\"\4 \0\x7f\xff" }, other;
	struct packet q = {};
	struct dns_octets o;
	size_t at = 0;

	CHECK(!strcmp(text_of(&name), "a\\.b\\\\\\\".\\032\\000\\127\\255"), "'%s'", text_of(&name));
	name = (struct dns_name){ .length = 1 };
	CHECK(!strcmp(text_of(&name), "."), "the root: '%s'", text_of(&name));
	put_name(&q, "WwW.ExAmPlE.[@");
	o = (struct dns_octets){ q.data, q.n };
	CHECK(!dns_name_read(&o, &at, &name) && at == q.n, "read");
	q.n = at = 0;
	put_name(&q, "wWw.eXaMpLe.[@");
	CHECK(!dns_name_read(&o, &at, &other), "read");
	CHECK(dns_name_same(&name, &other) && dns_name_hash(&name) == dns_name_hash(&other), "case matters");
	q.n = at = 0;
	put_name(&q, "wWw.eXaMpLe.{@"); /* '[' and '{' differ by the bit that letters differ by */
	CHECK(!dns_name_read(&o, &at, &other) && !dns_name_same(&name, &other), "'[' and '{' are the same");
}

TEST(unit, dns_numbers_have_names)
{
	CHECK(!strcmp(dns_type_name(65), "HTTPS") && !dns_type_name(65280) && dns_type_number("https") == 65, "HTTPS");
	CHECK(dns_type_number("TYPE65280") == 65280 && dns_type_number("TYPE65536") == -1 && dns_type_number("TYPE") == -1 &&
	      dns_type_number("TYPE1x") == -1 && dns_type_number("nonsense") == -1, "TYPE65280");
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		CHECK(!dns_type_name((uint16_t)type) || dns_type_number(dns_type_name((uint16_t)type)) == (int)type, "type %u", type);
	CHECK(!strcmp(dns_rcode_name(3), "NXDOMAIN") && !strcmp(dns_rcode_name(23), "BADCOOKIE") && !dns_rcode_name(12) &&
	      !dns_rcode_name(24), "rcodes");
	CHECK(!strcmp(dns_opcode_name(4), "NOTIFY") && !dns_opcode_name(3) && !dns_opcode_name(7), "opcodes");
	for (enum dns_flaw f = DNS_SOUND + 1; f < DNS_FLAWS; f++)
		CHECK(dns_flaw_name(f), "flaw %d has no name", f);
	CHECK(!dns_flaw_name(DNS_SOUND) && !dns_flaw_name(DNS_FLAWS), "no flaw has a name");
}
