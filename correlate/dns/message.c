/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/message.h"

#include "base/cleanup.h"

enum { RECORD_FIXED = 10, OPT_DO = 0x8000 };

static uint16_t u16_at(const struct dns_octets *m, size_t at)
{
	return (uint16_t)(m->data[at] << 8 | m->data[at + 1]);
}

static uint32_t u32_at(const struct dns_octets *m, size_t at)
{
	return (uint32_t)u16_at(m, at) << 16 | u16_at(m, at + 2);
}

const char *dns_flaw_name(enum dns_flaw flaw)
{
	static const char *const names[DNS_FLAWS] = {
		[DNS_SHORT] = "short",	     [DNS_ENDS_EARLY] = "ends_early",	[DNS_LABEL_TYPE] = "label_type",
		[DNS_NAME_LENGTH] = "name_length", [DNS_POINTER] = "pointer",
		[DNS_OPT] = "opt",	     [DNS_TRAILING] = "trailing",
	};

	return (unsigned)flaw < COUNT_OF(names) ? names[flaw] : NULL;
}

static void flawed(struct dns_message *m, enum dns_flaw flaw, size_t at)
{
	if (m->flaw)
		return;
	m->flaw = flaw;
	m->flaw_at = at;
}

static enum dns_flaw read_question(const struct dns_octets *o, size_t *at, struct dns_question *ret)
{
	enum dns_flaw flaw = dns_name_read(o, at, &ret->name);

	if (flaw)
		return flaw;
	if (o->length - *at < 4)
		return DNS_ENDS_EARLY;
	ret->type = u16_at(o, *at);
	ret->class = u16_at(o, *at + 2);
	*at += 4;
	return DNS_SOUND;
}

static enum dns_flaw read_rest(const struct dns_octets *o, size_t from, size_t *at, struct dns_record *ret)
{
	if (o->length - from < RECORD_FIXED)
		return DNS_ENDS_EARLY;
	ret->type = u16_at(o, from);
	ret->class = u16_at(o, from + 2);
	ret->ttl = u32_at(o, from + 4);
	ret->rdata_length = u16_at(o, from + 8);
	ret->rdata_at = from + RECORD_FIXED;
	if (o->length - ret->rdata_at < ret->rdata_length)
		return DNS_ENDS_EARLY;
	*at = ret->rdata_at + ret->rdata_length;
	return DNS_SOUND;
}

static enum dns_flaw read_record(const struct dns_octets *o, size_t *at, struct dns_record *ret)
{
	size_t from = *at;
	enum dns_flaw flaw = dns_name_read(o, &from, &ret->name);

	return flaw ? flaw : read_rest(o, from, at, ret);
}

/* Its class is a size and its time to live holds flags. */
static void take_opt(struct dns_message *m, const struct dns_record *r)
{
	struct dns_option option;
	size_t at = 0;

	if (m->edns.present || r->name.length != 1 || r->section != DNS_ADDITIONAL) {
		flawed(m, DNS_OPT, r->rdata_at);
		return;
	}
	m->edns = (struct dns_edns){ .present = true, .version = (uint8_t)(r->ttl >> 16),
				     .dnssec_ok = r->ttl & OPT_DO, .payload_size = r->class,
				     .options_at = r->rdata_at, .options_length = r->rdata_length };
	m->rcode |= (uint16_t)(r->ttl >> 24 << 4);
	while (dns_option(m, &at, &option))
		;
	if (at < r->rdata_length)
		flawed(m, DNS_OPT, r->rdata_at + at);
}

static bool read_questions(struct dns_message *m)
{
	size_t at = DNS_HEADER;
	struct dns_question other;

	for (unsigned i = 0; i < m->counts[DNS_QUESTIONS]; i++) {
		struct dns_question *q = i ? &other : &m->question;
		size_t began = at;
		enum dns_flaw flaw = read_question(&m->octets, &at, q);

		if (flaw) {
			q->name.length = 0;
			flawed(m, flaw, began);
			return false;
		}
	}
	m->records_at = at;
	return true;
}

static uint32_t records_counted(const struct dns_message *m)
{
	return (uint32_t)m->counts[DNS_ANSWERS] + m->counts[DNS_AUTHORITY] + m->counts[DNS_ADDITIONAL];
}

static enum dns_section section_of(const struct dns_message *m, uint32_t number)
{
	if (number < m->counts[DNS_ANSWERS])
		return DNS_ANSWERS;
	return number < (uint32_t)m->counts[DNS_ANSWERS] + m->counts[DNS_AUTHORITY] ? DNS_AUTHORITY : DNS_ADDITIONAL;
}

static void read_records(struct dns_message *m)
{
	uint32_t counted = records_counted(m);
	size_t at = m->records_at;
	struct dns_record r;

	for (; m->records < counted; m->records++) {
		size_t began = at;
		enum dns_flaw flaw;

		r.section = section_of(m, m->records);
		flaw = read_record(&m->octets, &at, &r);
		if (flaw) {
			flawed(m, flaw, began);
			return;
		}
		if (r.type == DNS_TYPE_OPT)
			take_opt(m, &r);
	}
	if (at < m->octets.length)
		flawed(m, DNS_TRAILING, at);
}

bool dns_message_read(const void *data, size_t length, struct dns_message *ret)
{
	*ret = (struct dns_message){ .octets = { data, length } };
	if (length < DNS_HEADER) {
		flawed(ret, DNS_SHORT, length);
		return false;
	}
	ret->id = u16_at(&ret->octets, 0);
	ret->flags = u16_at(&ret->octets, 2);
	ret->opcode = ret->flags >> 11 & 0xf;
	ret->rcode = ret->flags & 0xf;
	for (unsigned i = 0; i < DNS_SECTIONS; i++)
		ret->counts[i] = u16_at(&ret->octets, 4 + 2 * i);
	if (read_questions(ret))
		read_records(ret);
	return true;
}

struct dns_cursor dns_records(const struct dns_message *m)
{
	return (struct dns_cursor){ .message = m, .at = m->records_at };
}

bool dns_next(struct dns_cursor *c, struct dns_record *ret)
{
	if (c->done >= c->message->records)
		return false;
	ret->section = section_of(c->message, c->done++);
	return !read_record(&c->message->octets, &c->at, ret);
}

bool dns_next_unnamed(struct dns_cursor *c, struct dns_record *ret)
{
	if (c->done >= c->message->records)
		return false;
	ret->section = section_of(c->message, c->done++);
	return !read_rest(&c->message->octets, dns_name_end(&c->message->octets, c->at), &c->at, ret);
}

bool dns_option(const struct dns_message *m, size_t *at, struct dns_option *ret)
{
	size_t left = m->edns.options_length - *at, from = m->edns.options_at + *at;

	if (*at > m->edns.options_length || left < 4)
		return false;
	ret->code = u16_at(&m->octets, from);
	ret->length = u16_at(&m->octets, from + 2);
	ret->data = m->octets.data + from + 4;
	if (left - 4 < ret->length)
		return false;
	*at += 4 + (size_t)ret->length;
	return true;
}
