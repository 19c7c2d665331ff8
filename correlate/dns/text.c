/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "correlate/dns/names.h"

/* The list of addresses has its place before that of records, which may take the rest. */
#define ADDRESSES_MAX 8192

int dns_text_open(struct dns_text *t)
{
	t->scratch = (struct buf)BUF_INIT(DNS_TEXT_SCRATCH);
	return buf_grow(&t->scratch, DNS_TEXT_SCRATCH) ? 0 : -ENOMEM;
}

void dns_text_close(struct dns_text *t)
{
	buf_free(&t->scratch);
}

void dns_text_begin(struct dns_text *t, unsigned type, size_t size)
{
	memset(t->octets, 0, size);
	t->ev.type = (__u16)type;
	t->ev.sensor = TAPIO_SENSOR_DNS;
	t->ev.ring = TAPIO_RING_BULK;
	t->at = size;
}

struct tapio_str dns_text_add(struct dns_text *t, const char *text, size_t n)
{
	struct tapio_str ref = { .offset = (__u16)t->at, .length = (__u16)n };

	if (!n || n > TAPIO_RECORD_MAX - t->at)
		return (struct tapio_str){};
	memcpy(t->octets + t->at, text, n);
	t->at += n;
	return ref;
}

struct tapio_str dns_text_adds(struct dns_text *t, const char *text)
{
	return dns_text_add(t, text, strlen(text));
}

static struct tapio_str add_scratch(struct dns_text *t)
{
	return dns_text_add(t, t->scratch.data, t->scratch.length);
}

static struct tapio_str add_name(struct dns_text *t, const struct dns_name *name)
{
	if (!name->length)
		return (struct tapio_str){};
	buf_reset(&t->scratch);
	dns_name_text(name, &t->scratch);
	return add_scratch(t);
}

static void add_number(struct buf *out, uint32_t number)
{
	char digits[10];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	buf_add(out, digits + at, sizeof(digits) - at);
}

static void add_address(struct buf *out, int family, const void *octets)
{
	char text[INET6_ADDRSTRLEN];
	const uint8_t *o = octets;

	if (out->length)
		buf_addc(out, '\0');
	if (family == AF_INET6) {
		buf_adds(out, inet_ntop(family, octets, text, sizeof(text)));
		return;
	}
	for (unsigned i = 0; i < 4; i++) { /* most are; the C library's way is many times slower */
		if (i)
			buf_addc(out, '.');
		add_number(out, o[i]);
	}
}

struct tapio_strv dns_text_addresses(struct dns_text *t, const struct tapio_address *list, unsigned n)
{
	struct tapio_str ref;

	buf_reset(&t->scratch);
	for (unsigned i = 0; i < n; i++)
		add_address(&t->scratch, list[i].family == 4 ? AF_INET : AF_INET6, list[i].octets);
	ref = add_scratch(t);
	return (struct tapio_strv){ ref.offset, ref.length };
}

void dns_text_question(struct dns_text *t, const struct dns_question *q, uint8_t opcode)
{
	const char *name = dns_opcode_name(opcode);
	char number[16];

	if (q->name.length) {
		t->message.name = add_name(t, &q->name);
		buf_reset(&t->scratch);
		dns_type_text(q->type, &t->scratch);
		t->message.qtype = add_scratch(t);
	}
	if (q->name.length && q->class != DNS_CLASS_IN) {
		buf_reset(&t->scratch);
		dns_class_text(q->class, &t->scratch);
		t->message.qclass = add_scratch(t);
	}
	if (opcode) {
		snprintf(number, sizeof(number), "OPCODE%u", opcode);
		t->message.opcode = dns_text_adds(t, name ? name : number);
	}
}

struct tapio_str dns_text_rcode(struct dns_text *t, uint16_t rcode)
{
	const char *name = dns_rcode_name(rcode);
	char number[16];

	if (name)
		return dns_text_adds(t, name);
	snprintf(number, sizeof(number), "RCODE%u", rcode);
	return dns_text_adds(t, number);
}

static void text_header(struct dns_text *t, uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = { { DNS_QR, "qr" }, { DNS_AA, "aa" }, { DNS_TC, "tc" }, { DNS_RD, "rd" },
		      { DNS_RA, "ra" }, { DNS_Z, "z" },	 { DNS_AD, "ad" }, { DNS_CD, "cd" } };

	buf_reset(&t->scratch);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (flags & names[i].bit) {
			if (t->scratch.length)
				buf_addc(&t->scratch, ' ');
			buf_adds(&t->scratch, names[i].name);
		}
	t->message.header = add_scratch(t);
}

static void text_extended_error(struct dns_text *t, const struct dns_option *option)
{
	struct dns_octets text;
	int code = dns_extended_error(option, &text);
	const char *name = code >= 0 ? dns_extended_error_name((uint16_t)code) : NULL;

	if (code < 0)
		return;
	buf_reset(&t->scratch);
	if (name)
		buf_adds(&t->scratch, name);
	else
		buf_printf(&t->scratch, "%d", code);
	if (text.length) {
		buf_adds(&t->scratch, ": ");
		buf_add(&t->scratch, text.data, text.length);
		for (size_t i = 0; i < t->scratch.length; i++)
			if (!t->scratch.data[i])
				t->scratch.data[i] = ' ';
	}
	t->message.extended_error = add_scratch(t);
}

static void text_edns(struct dns_text *t, const struct dns_message *m)
{
	struct dns_option option;
	size_t at = 0;

	t->message.payload_size = m->edns.payload_size;
	t->message.dnssec_ok = m->edns.dnssec_ok;
	while (dns_option(m, &at, &option)) {
		if (option.code == DNS_OPTION_EXTENDED_ERROR && !t->message.extended_error.length)
			text_extended_error(t, &option);
		if (option.code != DNS_OPTION_CLIENT_SUBNET || t->message.client_subnet.length)
			continue;
		buf_reset(&t->scratch);
		if (dns_client_subnet_text(&option, &t->scratch))
			t->message.client_subnet = add_scratch(t);
	}
}

static void text_answers(struct dns_text *t, const struct dns_message *m)
{
	struct dns_record r;
	struct tapio_str ref;

	buf_reset(&t->scratch);
	for (struct dns_cursor c = dns_records(m); dns_next_unnamed(&c, &r) && t->scratch.length < ADDRESSES_MAX;) {
		if (r.section != DNS_ANSWERS)
			break;
		if (r.type == DNS_TYPE_A && r.class == DNS_CLASS_IN && r.rdata_length == 4)
			add_address(&t->scratch, AF_INET, m->octets.data + r.rdata_at);
		else if (r.type == DNS_TYPE_AAAA && r.class == DNS_CLASS_IN && r.rdata_length == 16)
			add_address(&t->scratch, AF_INET6, m->octets.data + r.rdata_at);
	}
	ref = add_scratch(t);
	t->message.answers = (struct tapio_strv){ ref.offset, ref.length };
}

/* "www.example.com 300 IN A 192.0.2.1" */
static void text_record(const struct dns_message *m, const struct dns_record *r, struct buf *out)
{
	if (out->length)
		buf_addc(out, '\0');
	dns_name_text(&r->name, out);
	buf_addc(out, ' ');
	add_number(out, r->ttl);
	buf_addc(out, ' ');
	dns_class_text(r->class, out);
	buf_addc(out, ' ');
	dns_type_text(r->type, out);
	buf_addc(out, ' ');
	dns_rdata_text(m, r, out);
}

static void text_records(struct dns_text *t, const struct dns_message *m)
{
	size_t room = TAPIO_RECORD_MAX - t->at, whole = 0;
	struct dns_record r;
	struct tapio_str ref;

	buf_reset(&t->scratch);
	for (struct dns_cursor c = dns_records(m); dns_next(&c, &r);) {
		if (r.type == DNS_TYPE_OPT)
			continue;
		text_record(m, &r, &t->scratch);
		if (t->scratch.refused || t->scratch.length > room) {
			t->message.records_cut = true;
			break;
		}
		whole = t->scratch.length;
	}
	t->scratch.length = whole;
	ref = add_scratch(t);
	t->message.records = (struct tapio_strv){ ref.offset, ref.length };
}

void dns_text_message(struct dns_text *t, const struct dns_message *m)
{
	t->message.id = m->id;
	t->message.size = (__u32)m->octets.length;
	t->message.answer_count = m->counts[DNS_ANSWERS];
	t->message.truncated = m->flags & DNS_TC;
	text_header(t, m->flags);
	if (m->flags & DNS_QR)
		t->message.rcode = dns_text_rcode(t, m->rcode);
	if (m->edns.present)
		text_edns(t, m);
	if (!m->records)
		return;
	text_answers(t, m);
	text_records(t, m);
}

const struct tapio_event *dns_text_end(struct dns_text *t)
{
	t->ev.size = (__u32)t->at;
	return &t->ev;
}
