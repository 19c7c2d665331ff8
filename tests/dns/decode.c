/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode <MESSAGES: prints what the decoder reads, for tests/dns/compare.py. Each message stands behind its length, two
 * octets, as over TCP. Lines with tabs between: "message", then "question" and "record", then "edns" and "option".
 */
#include <stdio.h>
#include <stdlib.h>

#include "correlate/dns/message.h"
#include "correlate/dns/names.h"

static char storage[1 << 20];
static struct buf out = { .data = storage, .capacity = sizeof(storage), .max = sizeof(storage) };

static void tab(void)
{
	buf_addc(&out, '\t');
}

static void add_record(const struct dns_message *m, const struct dns_record *r)
{
	buf_printf(&out, "record\t%d\t", r->section);
	dns_name_text(&r->name, &out);
	buf_printf(&out, "\t%u\t", r->ttl);
	dns_class_text(r->class, &out);
	tab();
	dns_type_text(r->type, &out);
	tab();
	dns_rdata_text(m, r, &out);
	buf_addc(&out, '\n');
}

static void add_octets(const struct dns_octets *o)
{
	for (size_t i = 0; i < o->length; i++)
		buf_printf(&out, "%02x", o->data[i]);
}

static void add_option(const struct dns_option *o)
{
	struct dns_octets text;
	int error = dns_extended_error(o, &text);

	buf_printf(&out, "option\t%u\t", o->code);
	if (error >= 0) {
		buf_printf(&out, "%d ", error);
		if (text.length && !text.data[text.length - 1])
			text.length--; /* as dnspython does: RFC 8914 2 allows one NUL */
		add_octets(&text);
	} else if (!dns_client_subnet_text(o, &out)) {
		add_octets(&(struct dns_octets){ o->data, o->length });
	}
	buf_addc(&out, '\n');
}

static void add_edns(const struct dns_message *m)
{
	struct dns_option o;
	size_t at = 0;

	if (!m->edns.present)
		return;
	buf_printf(&out, "edns\t%u\t%u\t%d\n", m->edns.version, m->edns.payload_size, m->edns.dnssec_ok);
	while (dns_option(m, &at, &o))
		add_option(&o);
}

static void add_message(const struct dns_message *m)
{
	const char *flaw = dns_flaw_name(m->flaw);
	struct dns_record r;

	buf_printf(&out, "message\t%u\t0x%04x\t%u\t%u\t%s\n", m->id, m->flags, m->opcode, m->rcode, flaw ? flaw : "");
	if (m->question.name.length) {
		buf_adds(&out, "question\t");
		dns_name_text(&m->question.name, &out);
		tab();
		dns_class_text(m->question.class, &out);
		tab();
		dns_type_text(m->question.type, &out);
		buf_addc(&out, '\n');
	}
	for (struct dns_cursor c = dns_records(m); dns_next(&c, &r);)
		if (r.type != DNS_TYPE_OPT)
			add_record(m, &r);
	add_edns(m);
}

int main(void)
{
	static unsigned char data[65536];
	unsigned char length[2];
	struct dns_message m;

	while (fread(length, 1, 2, stdin) == 2) {
		size_t n = (size_t)length[0] << 8 | length[1];

		if (fread(data, 1, n, stdin) != n)
			return 1;
		dns_message_read(data, n, &m);
		buf_reset(&out);
		add_message(&m);
		if (out.refused || fwrite(out.data, 1, out.length, stdout) != out.length)
			return 1;
	}
	return fflush(stdout) ? 1 : 0;
}
