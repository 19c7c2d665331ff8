/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of records as text, type by type: what a zone file has, and what does not have its type's form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "correlate/dns/message.h"
#include "correlate/dns/names.h"
#include "tests/test.h"
#include "tests/unit/dns_packet.h"

/* Names are written whole: "\1a\0"; \300\14 is a pointer to the owner's name, owner.example. */
static const struct {
	unsigned type;
	const char *octets;
	size_t n;
	const char *text;
} rows[] = {
#define ROW(type, octets, text) { type, octets, sizeof(octets) - 1, text }
	ROW(1, "\300\0\2\1", "192.0.2.1"),
	ROW(2, "\2ns\300\14", "ns.owner.example"),
	ROW(5, "\1a\0", "a"),
	ROW(6, "\2ns\300\14\4root\0\170\225\357\1\0\0\16\20\0\0\3\204\0\11\72\200\0\0\0\74",
	    "ns.owner.example root 2023091969 3600 900 604800 60"),
	ROW(10, "abc", "\\# 3 616263"),
	ROW(12, "\300\14", "owner.example"),
	ROW(13, "\3PDP\4UNIX", "\"PDP\" \"UNIX\""),
	ROW(15, "\0\12\4mail\300\14", "10 mail.owner.example"),
	ROW(16, "\5hello\0\6a \"b\\c", "\"hello\" \"\" \"a \\\"b\\\\c\""),
	ROW(16, "\3\0\t\xff", "\"\\000\\009\\255\""),
	ROW(17, "\1a\0\1b\0", "a b"),
	ROW(19, "\003311", "\"311\""),
	ROW(24, "\0\1\5\3\0\1\121\200\145\223\241\0\145\154\24\0\12\124\300\14\1",
	    "A 5 3 86400 20240102053704 20231203053704 2644 owner.example AQ=="),
	ROW(26, "\0\1\1a\0\1b\0", "1 a b"),
	ROW(27, "\0011\0012\0013", "\"1\" \"2\" \"3\""),
	ROW(28, "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1", "2001:db8::1"),
	ROW(33, "\0\1\0\2\0\120\3srv\0", "1 2 80 srv"),
	ROW(35, "\0\144\0\12\1u\7E2U+sip\0\0", "100 10 \"u\" \"E2U+sip\" \"\" ."),
	ROW(36, "\0\1\1a\0", "1 a"),
	ROW(37, "\0\3\0\0\0\1\2\3", "3 0 0 AQID"),
	ROW(39, "\1d\0", "d"),
	ROW(43, "\354\105\5\1\53\261\203\257", "60485 5 1 2bb183af"),
	ROW(44, "\2\1\22\64", "2 1 1234"),
	ROW(46, "\0\1\5\3\0\1\121\200\145\223\241\0\145\154\24\0\12\124\7example\0\1\2\3\4",
	    "A 5 3 86400 20240102053704 20231203053704 2644 example AQIDBA=="),
	ROW(47, "\4host\0\0\6\100\1\0\0\0\3", "host A MX RRSIG NSEC"),
	ROW(47, "\1a\0\0\1\100\1\1\100", "a A CAA"),
	ROW(47, "\1a\0", "a"),
	ROW(48, "\1\1\3\10\1\2\3", "257 3 8 AQID"),
	ROW(49, "\1\2", "AQI="),
	ROW(50, "\1\1\0\14\4\252\273\314\335\5\0\0\0\0\1\0\1\100", "1 1 12 aabbccdd 00000001 A"),
	ROW(51, "\1\0\0\0\0", "1 0 0 -"),
	ROW(52, "\3\1\1\252", "3 1 1 aa"),
	ROW(59, "\0\0\0\0\0", "0 0 0 00"),
	ROW(61, "\1\2\3\4\5", "AQIDBAU="),
	ROW(62, "\0\0\0\1\0\3\0\1\100", "1 3 A"),
	ROW(63, "\0\0\0\1\1\1\252", "1 1 1 aa"),
	ROW(64, "\0\0\1a\0", "0 a"),
	ROW(65, "\0\1\0\0\1\0\6\2h2\2h3\0\3\0\2\1\273\0\4\0\10\300\0\2\1\300\0\2\2",
	    "1 . alpn=\"h2,h3\" port=443 ipv4hint=192.0.2.1,192.0.2.2"),
	ROW(65, "\0\1\0\0\0\0\4\0\1\0\3\0\1\0\3\2a,\0\3\0\2\0\1", "1 . mandatory=alpn,port alpn=\"a\\\\,\" port=1"),
	ROW(65, "\0\1\0\0\2\0\0\0\5\0\1\1\0\6\0\20\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\2\0\7\0\2/q\377\0\0\1x",
	    "1 . no-default-alpn ech=AQ== ipv6hint=2001:db8::2 dohpath=\"/q\" key65280=\"x\""),
	ROW(64, "\0\20\3foo\7example\3org\0\0\1\0\14\10f\\oo,bar\2h2", /* RFC 9460 D, figure 10 */
	    "16 foo.example.org alpn=\"f\\\\\\\\oo\\\\,bar,h2\""),
	ROW(47, "\1a\0\0\1\0", "a"),
	ROW(65, "\0\1\0\0\11\0\2\0\35", "1 . key9=\"\\000\\029\""),
	ROW(99, "\6v=spf1", "\"v=spf1\""),
	ROW(105, "\0\12\300\0\2\1", "10 192.0.2.1"),
	ROW(108, "\0\0\136\0\123\52", "00-00-5e-00-53-2a"),
	ROW(109, "\0\0\136\0\123\52\1\2", "00-00-5e-00-53-2a-01-02"),
	ROW(256, "\0\12\0\1https://a/", "10 1 \"https://a/\""),
	ROW(257, "\0\5issueca.example", "0 issue \"ca.example\""),
	ROW(65280, "\1", "\\# 1 01"),
	ROW(65280, "", "\\# 0"),
};

/* Of the right type, and not of its form. */
static const struct {
	unsigned type;
	const char *octets;
	size_t n;
} bad[] = {
#define BAD(type, octets) { type, octets, sizeof(octets) - 1 }
	BAD(1, "\300\0\2"),
	BAD(1, "\300\0\2\1\0"),
	BAD(28, "\0"),
	BAD(2, "\300"),
	BAD(2, "\5a"),
	BAD(2, "\1a\0x"),
	BAD(6, "\0\0\0\0\0\0"),
	BAD(15, "\0"),
	BAD(16, ""),
	BAD(16, "\2a"),
	BAD(46, "\0\1\5\3\0\1\121\200\145\223\241\0\145\154\24\0\12\124\300\14\1"),
	BAD(47, "\1a\0\0"),
	BAD(47, "\1a\0\0\0"),
	BAD(47, "\1a\0\1\1\100\0\1\100"),
	BAD(47, "\1a\0\0\41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	BAD(50, "\1\1\0\14\0\0\0\1\100"),
	BAD(65, "\0\1\300\14"),
	BAD(65, "\0\1\0\0\3\0\2\0\1\0\1\0\2\1a"),
	BAD(65, "\0\1\0\0\3\0\1\0"),
	BAD(65, "\0\1\0\0\3\0\3\0\1"),
	BAD(65, "\0\1\0\0\1\0\0"),
	BAD(65, "\0\1\0\0\1\0\1\0"),
	BAD(65, "\0\1\0\0\2\0\1\0"),
	BAD(65, "\0\1\0\0\4\0\3\1\2\3"),
	BAD(65, "\0\1\0\0\0\0\1\0"),
	BAD(65, "\0\1\0\0\5\0\0"),
	BAD(65, "\0\1\0\0"),
	BAD(108, "\0\1\2\3\4"),
	BAD(108, "\0\1\2\3\4\5\6\7"),
	BAD(109, "\0\1\2\3\4\5"),
	BAD(65, "\0\1\0\0\0\0\2\0\0"),
	BAD(65, "\0\1\0\0\0\0\4\0\3\0\1"),
	BAD(257, "\0\0x"),
};

static struct packet p;
static struct dns_message m;

static bool text_of(unsigned type, const char *octets, size_t n, char *text, size_t size)
{
	struct buf b = { .data = text, .capacity = size, .max = size };
	struct dns_record r;
	struct dns_cursor c;
	size_t at;
	bool formed;

	put_header(&p, DNS_QR, 0, 2, 0, 0);
	at = put_record(&p, "owner.example", type);
	put(&p, octets, n);
	put_end(&p, at);
	/* what follows must not be read */
	at = put_record(&p, "", 10);
	memset(p.data + p.n, 1, 64);
	p.n += 64;
	put_end(&p, at);
	CHECK(dns_message_read(p.data, p.n, &m) && !m.flaw, "type %u: flaw %d", type, m.flaw);
	c = dns_records(&m);
	REQUIRE(dns_next(&c, &r), "type %u: no record", type);
	formed = dns_rdata_text(&m, &r, &b);
	CHECK(!b.refused && buf_cstr(&b)[0], "type %u: does not fit", type);
	return formed;
}

TEST(unit, dns_rdata)
{
	char text[1024];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK(text_of(rows[i].type, rows[i].octets, rows[i].n, text, sizeof(text)), "row %zu, type %u: not of its form",
		      i, rows[i].type);
		CHECK(!strcmp(text, rows[i].text), "row %zu, type %u: '%s', not '%s'", i, rows[i].type, text, rows[i].text);
	}
}

TEST(unit, dns_rdata_of_no_form)
{
	char text[1024], head[32];

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		CHECK(!text_of(bad[i].type, bad[i].octets, bad[i].n, text, sizeof(text)), "row %zu, type %u: '%s'", i, bad[i].type,
		      text);
		snprintf(head, sizeof(head), "\\# %zu", bad[i].n);
		CHECK(!strncmp(text, head, strlen(head)), "row %zu, type %u: '%s', not '%s ...'", i, bad[i].type, text, head);
	}
}

/* Each form has a row: nobody adds one without. */
TEST(unit, dns_forms_are_tested)
{
	for (unsigned type = 0; type <= UINT16_MAX; type++) {
		const char *form = dns_type_form((uint16_t)type);
		bool tested = !form;

		for (size_t i = 0; !tested && i < COUNT_OF(rows); i++) {
			const char *other = dns_type_form((uint16_t)rows[i].type);

			tested = other && !strcmp(other, form);
		}
		CHECK(tested, "type %s, form %s: no row", dns_type_name((uint16_t)type), form);
	}
}

/* Types of class IN are nobody's in others. In multicast DNS the class's first bit means something else. */
TEST(unit, dns_rdata_of_classes)
{
	static const struct {
		unsigned class;
		const char *text;
	} classes[] = { { 1, "192.0.2.1" }, { 0x8001, "192.0.2.1" }, { 3, "\\# 4 c0000201" }, { 255, "\\# 4 c0000201" } };
	struct dns_record r;
	struct dns_cursor c;
	char text[64];

	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		struct buf b = { .data = text, .capacity = sizeof(text), .max = sizeof(text) };
		size_t at;

		put_header(&p, DNS_QR, 0, 1, 0, 0);
		at = put_record(&p, "a", 1);
		p.data[at - 8] = (uint8_t)(classes[i].class >> 8);
		p.data[at - 7] = (uint8_t)classes[i].class;
		put32(&p, 0xc0000201);
		put_end(&p, at);
		dns_message_read(p.data, p.n, &m);
		c = dns_records(&m);
		REQUIRE(dns_next(&c, &r), "no record");
		dns_rdata_text(&m, &r, &b);
		CHECK(!strcmp(buf_cstr(&b), classes[i].text), "class %u: '%s'", r.class, buf_cstr(&b));
	}
}

/* A buffer that is too small is told, and nothing is written past it. */
TEST(unit, dns_rdata_that_does_not_fit)
{
	char text[64];
	struct buf b = { .data = text, .capacity = 8, .max = 8 };
	struct dns_record r;
	struct dns_cursor c;
	size_t at;

	memset(text, 'x', sizeof(text));
	put_header(&p, DNS_QR, 0, 1, 0, 0);
	at = put_record(&p, "a", 16);
	put(&p, "\14twelve bytes", 13);
	put_end(&p, at);
	dns_message_read(p.data, p.n, &m);
	c = dns_records(&m);
	REQUIRE(dns_next(&c, &r), "no record");
	CHECK(dns_rdata_text(&m, &r, &b) && b.refused && b.length <= 8, "%zu octets", b.length);
	CHECK(text[8] == 'x', "written past its end");
}
