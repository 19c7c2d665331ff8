/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of records as text: dns_type_form has the pieces of each type. */
#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "correlate/dns/message.h"
#include "correlate/dns/names.h"

/* What is left of the contents. */
struct piece {
	const struct dns_octets *message;
	size_t at, end;
};

static size_t left(const struct piece *p)
{
	return p->end - p->at;
}

static const uint8_t *take(struct piece *p, size_t n)
{
	const uint8_t *data = p->message->data + p->at;

	if (left(p) < n)
		return NULL;
	p->at += n;
	return data;
}

static bool take_number(struct piece *p, unsigned octets, uint32_t *ret)
{
	const uint8_t *data = take(p, octets);

	if (!data)
		return false;
	for (*ret = 0; octets; octets--)
		*ret = *ret << 8 | *data++;
	return true;
}

/* Octets behind their number. */
static const uint8_t *take_counted(struct piece *p, uint32_t *ret_n)
{
	return take_number(p, 1, ret_n) ? take(p, *ret_n) : NULL;
}

/* ---- numbers, names, addresses ---- */

static bool write_number(struct piece *p, unsigned octets, struct buf *out)
{
	uint32_t n;

	if (!take_number(p, octets, &n))
		return false;
	buf_printf(out, "%u", n);
	return true;
}

static bool write_type(struct piece *p, struct buf *out)
{
	uint32_t n;

	if (!take_number(p, 2, &n))
		return false;
	dns_type_text((uint16_t)n, out);
	return true;
}

/* RFC 4034 3.2. */
static bool write_time(struct piece *p, struct buf *out)
{
	uint32_t n;
	time_t seconds;
	struct tm tm;

	if (!take_number(p, 4, &n))
		return false;
	seconds = n;
	gmtime_r(&seconds, &tm);
	buf_printf(out, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		   tm.tm_sec);
	return true;
}

static bool write_name(struct piece *p, bool compressed, struct buf *out)
{
	const struct dns_octets within = { p->message->data, p->end };
	struct dns_name name;

	if (compressed ? dns_name_read(&within, &p->at, &name) : dns_name_read_plain(&within, &p->at, &name))
		return false;
	dns_name_text(&name, out);
	return true;
}

static bool write_address(struct piece *p, int family, struct buf *out)
{
	const uint8_t *data = take(p, family == AF_INET ? 4 : 16);
	char text[INET6_ADDRSTRLEN];

	if (!data)
		return false;
	buf_adds(out, inet_ntop(family, data, text, sizeof(text)));
	return true;
}

/* ---- octets ---- */

static void add_base16(const uint8_t *data, size_t n, char between, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		if (i && between)
			buf_addc(out, between);
		buf_addc(out, digits[data[i] >> 4]);
		buf_addc(out, digits[data[i] & 0xf]);
	}
}

/* Groups of `bits`: 5 without padding, as NSEC3 has them (RFC 5155 3.3), or 6 with it. */
static void add_base(const uint8_t *data, size_t n, unsigned bits, const char *digits, struct buf *out)
{
	unsigned pending = 0, held = 0, written = 0;

	for (size_t i = 0; i < n; i++) {
		pending = (pending << 8 | data[i]) & 0xffff;
		for (held += 8; held >= bits; held -= bits, written++)
			buf_addc(out, digits[pending >> (held - bits) & ((1u << bits) - 1)]);
	}
	if (held) {
		buf_addc(out, digits[pending << (bits - held) & ((1u << bits) - 1)]);
		written++;
	}
	for (; bits == 6 && written % 4; written++)
		buf_addc(out, '=');
}

static void add_base64(const uint8_t *data, size_t n, struct buf *out)
{
	add_base(data, n, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", out);
}

static bool write_counted(struct piece *p, char form, struct buf *out)
{
	uint32_t n;
	const uint8_t *data = take_counted(p, &n);

	if (!data || (!n && form == 'z'))
		return false;
	if (form == 'z')
		add_base(data, n, 5, "0123456789abcdefghijklmnopqrstuv", out);
	else if (n)
		add_base16(data, n, 0, out);
	else
		buf_addc(out, '-');
	return true;
}

/* ---- strings ---- */

static void add_octets(const uint8_t *data, size_t n, const char *special, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] == ' ')
			buf_addc(out, ' ');
		else
			dns_octet_text(data[i], special, out);
}

static void add_quoted(const uint8_t *data, size_t n, struct buf *out)
{
	buf_addc(out, '"');
	add_octets(data, n, "\"\\", out);
	buf_addc(out, '"');
}

static bool write_string(struct piece *p, struct buf *out)
{
	uint32_t n;
	const uint8_t *data = take_counted(p, &n);

	if (data)
		add_quoted(data, n, out);
	return data;
}

static bool write_strings(struct piece *p, struct buf *out)
{
	bool fine = write_string(p, out);

	while (fine && left(p)) {
		buf_addc(out, ' ');
		fine = write_string(p, out);
	}
	return fine;
}

/* A property's name: RFC 8659 4.1. */
static bool write_tag(struct piece *p, struct buf *out)
{
	uint32_t n;
	const uint8_t *data = take_counted(p, &n);

	if (!data || !n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		dns_octet_text(data[i], "\"\\();", out);
	return true;
}

/* ---- bitmap of types: RFC 4034 4.1.2 ---- */

static bool write_window(struct piece *p, int *last, bool *first, struct buf *out)
{
	uint32_t window, n;
	const uint8_t *bits;

	if (!take_number(p, 1, &window) || (int)window <= *last)
		return false;
	*last = (int)window;
	bits = take_counted(p, &n);
	if (!bits || !n || n > 32)
		return false;
	for (uint32_t i = 0; i < n * 8; i++) {
		if (!(bits[i / 8] & 0x80 >> i % 8))
			continue;
		if (!*first)
			buf_addc(out, ' ');
		*first = false;
		dns_type_text((uint16_t)(window << 8 | i), out);
	}
	return true;
}

static bool write_bitmap(struct piece *p, struct buf *out)
{
	bool fine = true, first = true;
	int last = -1;

	while (fine && left(p))
		fine = write_window(p, &last, &first, out);
	return fine;
}

/* ---- parameters of a service: RFC 9460 2.1, 7 and 14.3 ---- */

enum { SVC_MANDATORY, SVC_ALPN, SVC_NO_DEFAULT_ALPN, SVC_PORT, SVC_IPV4HINT, SVC_ECH, SVC_IPV6HINT, SVC_DOHPATH, SVC_OHTTP };

static void add_svc_key(uint16_t key, struct buf *out)
{
	const char *name = dns_svc_key_name(key);

	if (name)
		buf_adds(out, name);
	else
		buf_printf(out, "key%u", key);
}

/* Keys in their order, without itself: RFC 9460 8. */
static bool write_mandatory(struct piece *p, struct buf *out)
{
	uint32_t key = SVC_MANDATORY, last;

	if (!left(p))
		return false;
	for (bool first = true; left(p); first = false) {
		last = key;
		if (!take_number(p, 2, &key) || key <= last)
			return false;
		if (!first)
			buf_addc(out, ',');
		add_svc_key((uint16_t)key, out);
	}
	return true;
}

/* An item of a list in a character-string is escaped for each: RFC 9460 A.1. */
static void add_list_item(const uint8_t *data, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == ',' || data[i] == '\\')
			buf_adds(out, "\\\\");
		add_octets(&data[i], 1, "\"\\", out);
	}
}

static bool write_alpn(struct piece *p, struct buf *out)
{
	if (!left(p))
		return false;
	buf_addc(out, '"');
	for (bool first = true; left(p); first = false) {
		uint32_t n;
		const uint8_t *data = take_counted(p, &n);

		if (!data || !n)
			return false;
		if (!first)
			buf_addc(out, ',');
		add_list_item(data, n, out);
	}
	buf_addc(out, '"');
	return true;
}

static bool write_hints(struct piece *p, int family, struct buf *out)
{
	if (!left(p))
		return false;
	for (bool first = true; left(p); first = false) {
		if (!first)
			buf_addc(out, ',');
		if (!write_address(p, family, out))
			return false;
	}
	return true;
}

static bool write_svc_value(struct piece *p, uint32_t key, struct buf *out)
{
	size_t n = left(p);

	switch (key) {
	case SVC_MANDATORY: return write_mandatory(p, out);
	case SVC_ALPN: return write_alpn(p, out);
	case SVC_PORT: return n == 2 && write_number(p, 2, out);
	case SVC_IPV4HINT: return write_hints(p, AF_INET, out);
	case SVC_IPV6HINT: return write_hints(p, AF_INET6, out);
	case SVC_ECH: add_base64(take(p, n), n, out); return n;
	default: add_quoted(take(p, n), n, out); return true;
	}
}

static bool write_parameter(struct piece *p, int *last, struct buf *out)
{
	uint32_t key, n;
	struct piece value = *p;

	if (!take_number(p, 2, &key) || (int)key <= *last || !take_number(p, 2, &n))
		return false;
	*last = (int)key;
	value.at = p->at;
	if (!take(p, n))
		return false;
	value.end = p->at;
	add_svc_key((uint16_t)key, out);
	if (key == SVC_NO_DEFAULT_ALPN || key == SVC_OHTTP)
		return !n;
	if (!n && !dns_svc_key_name((uint16_t)key))
		return true;
	buf_addc(out, '=');
	return write_svc_value(&value, key, out) && !left(&value);
}

static bool write_parameters(struct piece *p, struct buf *out)
{
	bool fine = true;
	int last = -1;

	for (bool first = true; fine && left(p); first = false) {
		if (!first)
			buf_addc(out, ' ');
		fine = write_parameter(p, &last, out);
	}
	return fine;
}

/* ---- */

static bool write_rest(struct piece *p, char form, struct buf *out)
{
	size_t n = left(p);

	switch (form) {
	case 'x': add_base16(take(p, n), n, 0, out); return true;
	case 'B': add_base64(take(p, n), n, out); return true;
	case 'q': add_quoted(take(p, n), n, out); return true;
	case 'S': return write_strings(p, out);
	case 'M': return write_bitmap(p, out);
	default: return write_parameters(p, out);
	}
}

static bool write_piece(struct piece *p, char form, struct buf *out)
{
	size_t n = left(p);

	switch (form) {
	case 'b': return write_number(p, 1, out);
	case 'h': return write_number(p, 2, out);
	case 'w': return write_number(p, 4, out);
	case 't': return write_type(p, out);
	case 'T': return write_time(p, out);
	case 'n':
	case 'N': return write_name(p, form == 'n', out);
	case '4': return write_address(p, AF_INET, out);
	case '6': return write_address(p, AF_INET6, out);
	case 's': return write_string(p, out);
	case 'a': return write_tag(p, out);
	case 'y':
	case 'z': return write_counted(p, form, out);
	case 'e':
	case 'E': add_base16(take(p, n), n, '-', out); return n == (form == 'e' ? 6 : 8);
	default: return write_rest(p, form, out);
	}
}

/* What is empty leaves no blank behind. */
static bool write_form(struct piece *p, const char *form, struct buf *out)
{
	size_t began = out->length, before;

	for (; *form; form++) {
		before = out->length;
		if (before > began)
			buf_addc(out, ' ');
		if (!write_piece(p, *form, out))
			return false;
		if (before > began && out->length == before + 1)
			out->length = before;
	}
	return !left(p);
}

/* In multicast DNS the class's first bit is another thing: RFC 6762 10.2. */
static const char *form_of(const struct dns_record *r)
{
	const char *form = dns_type_form(r->type);

	if (!form || *form != 'i')
		return form;
	return (r->class & ~DNS_CACHE_FLUSH) == DNS_CLASS_IN ? form + 1 : NULL;
}

bool dns_rdata_text(const struct dns_message *m, const struct dns_record *r, struct buf *out)
{
	const char *form = form_of(r);
	struct piece p = { &m->octets, r->rdata_at, r->rdata_at + r->rdata_length };
	size_t began = out->length;

	if (form && write_form(&p, form, out))
		return true;
	out->length = began;
	buf_printf(out, "\\# %u%s", r->rdata_length, r->rdata_length ? " " : "");
	add_base16(m->octets.data + r->rdata_at, r->rdata_length, 0, out);
	return !form;
}

/* ---- EDNS options ---- */

bool dns_client_subnet_text(const struct dns_option *option, struct buf *out)
{
	unsigned family, prefix, octets;
	uint8_t address[16] = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (option->code != DNS_OPTION_CLIENT_SUBNET || option->length < 4)
		return false;
	family = (unsigned)option->data[0] << 8 | option->data[1];
	prefix = option->data[2];
	octets = (prefix + 7) / 8;
	if ((family != 1 && family != 2) || prefix > (family == 1 ? 32u : 128u) || option->length != 4 + octets)
		return false;
	memcpy(address, option->data + 4, octets);
	if (prefix % 8 && address[octets - 1] & 0xff >> prefix % 8)
		return false; /* bits beyond the prefix */
	buf_printf(out, "%s/%u", inet_ntop(family == 1 ? AF_INET : AF_INET6, address, text, sizeof(text)), prefix);
	return true;
}

int dns_extended_error(const struct dns_option *option, struct dns_octets *ret_text)
{
	if (option->code != DNS_OPTION_EXTENDED_ERROR || option->length < 2)
		return -1;
	*ret_text = (struct dns_octets){ option->data + 2, option->length - 2u };
	return option->data[0] << 8 | option->data[1];
}
