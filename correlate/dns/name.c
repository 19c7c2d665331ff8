/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/name.h"

#include <string.h>

/* A name has at most 127 labels, and each pointer that is of use ends a piece with one. */
enum { POINTERS_MAX = 127 };

enum { LABEL_KIND = 0xc0, LABEL_PLAIN = 0x00, LABEL_POINTER = 0xc0, POINTER_HIGH = 0x3f };

static enum dns_flaw read_label(const struct dns_octets *m, size_t at, struct dns_name *ret)
{
	size_t n = (size_t)m->data[at] + 1;

	if (m->length - at < n)
		return DNS_ENDS_EARLY;
	if (ret->length + n > DNS_NAME_MAX)
		return DNS_NAME_LENGTH;
	memcpy(ret->wire + ret->length, m->data + at, n);
	ret->length = (uint8_t)(ret->length + n);
	return DNS_SOUND;
}

static enum dns_flaw read_name(const struct dns_octets *m, size_t *at, bool compressed, struct dns_name *ret)
{
	size_t from = *at, piece = from, behind = 0;
	unsigned pointers = 0;
	enum dns_flaw flaw;

	ret->length = 0;
	for (;;) {
		if (from >= m->length)
			return DNS_ENDS_EARLY;
		if ((m->data[from] & LABEL_KIND) == LABEL_POINTER) {
			if (!compressed)
				return DNS_POINTER;
			if (m->length - from < 2)
				return DNS_ENDS_EARLY;
			if (!behind)
				behind = from + 2;
			from = (size_t)(m->data[from] & POINTER_HIGH) << 8 | m->data[from + 1];
			if (from >= piece || ++pointers > POINTERS_MAX)
				return DNS_POINTER;
			piece = from;
			continue;
		}
		if ((m->data[from] & LABEL_KIND) != LABEL_PLAIN)
			return DNS_LABEL_TYPE;
		flaw = read_label(m, from, ret);
		if (flaw)
			return flaw;
		if (!m->data[from])
			break;
		from += (size_t)m->data[from] + 1;
	}
	*at = behind ? behind : from + 1;
	return DNS_SOUND;
}

enum dns_flaw dns_name_read(const struct dns_octets *message, size_t *at, struct dns_name *ret)
{
	return read_name(message, at, true, ret);
}

enum dns_flaw dns_name_read_plain(const struct dns_octets *message, size_t *at, struct dns_name *ret)
{
	return read_name(message, at, false, ret);
}

size_t dns_name_end(const struct dns_octets *message, size_t at)
{
	while (at < message->length && message->data[at]) {
		if ((message->data[at] & LABEL_KIND) == LABEL_POINTER)
			return at + 2;
		at += (size_t)message->data[at] + 1;
	}
	return at + 1;
}

void dns_octet_text(uint8_t octet, const char *special, struct buf *out)
{
	const char escaped[] = { '\\', (char)('0' + octet / 100), (char)('0' + octet / 10 % 10), (char)('0' + octet % 10) };

	if (octet < 0x21 || octet > 0x7e) {
		buf_add(out, escaped, sizeof(escaped));
	} else {
		if (strchr(special, octet))
			buf_addc(out, '\\');
		buf_addc(out, (char)octet);
	}
}

/* Letters, digits, '-' and '_': nearly all that names have, and as they are. */
static bool is_plain(uint8_t octet)
{
	uint8_t letter = octet | 0x20;

	return (letter >= 'a' && letter <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

void dns_name_text(const struct dns_name *name, struct buf *out)
{
	const uint8_t *label = name->wire;

	if (!*label)
		buf_addc(out, '.');
	while (*label) {
		unsigned from = 1;

		for (unsigned i = 1; i <= *label; i++) {
			if (is_plain(label[i]))
				continue;
			buf_add(out, label + from, i - from);
			dns_octet_text(label[i], ".\\\"();@$", out);
			from = i + 1;
		}
		buf_add(out, label + from, *label + 1u - from);
		label += *label + 1;
		if (*label)
			buf_addc(out, '.');
	}
}

/* Lengths of labels are below 64 and so no letters. */
static uint8_t folded(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
}

bool dns_name_same(const struct dns_name *a, const struct dns_name *b)
{
	if (a->length != b->length)
		return false;
	if (!memcmp(a->wire, b->wire, a->length))
		return true;
	for (unsigned i = 0; i < a->length; i++)
		if (folded(a->wire[i]) != folded(b->wire[i]))
			return false;
	return true;
}

/* FNV-1a: tables that use it are bounded and keyed by more than the name. */
uint64_t dns_name_hash(const struct dns_name *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (unsigned i = 0; i < name->length; i++)
		hash = (hash ^ folded(name->wire[i])) * 0x100000001b3ull;
	return hash;
}
