/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages, octet by octet: nothing of the decoder is used. */
#ifndef TESTS_UNIT_DNS_PACKET_H
#define TESTS_UNIT_DNS_PACKET_H

#include <stdint.h>
#include <string.h>

struct packet {
	uint8_t data[65536];
	size_t n;
};

static inline void put(struct packet *p, const void *data, size_t n)
{
	memcpy(p->data + p->n, data, n);
	p->n += n;
}

static inline void put8(struct packet *p, unsigned value)
{
	p->data[p->n++] = (uint8_t)value;
}

static inline void put16(struct packet *p, unsigned value)
{
	put8(p, value >> 8);
	put8(p, value);
}

static inline void put32(struct packet *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p, value & 0xffff);
}

/* "www.example.com": labels without dots in them; "" is the root. */
static inline void put_name(struct packet *p, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		put8(p, (unsigned)n);
		put(p, name, n);
		name += n + (name[n] == '.');
	}
	put8(p, 0);
}

static inline void put_header(struct packet *p, unsigned flags, unsigned questions, unsigned answers, unsigned authority,
			      unsigned additional)
{
	p->n = 0;
	put16(p, 0x1234);
	put16(p, flags);
	put16(p, questions);
	put16(p, answers);
	put16(p, authority);
	put16(p, additional);
}

/* Name, type, class, time to live, and the place of the length, which put_end fills. */
static inline size_t put_record(struct packet *p, const char *name, unsigned type)
{
	put_name(p, name);
	put16(p, type);
	put16(p, 1);
	put32(p, 300);
	put16(p, 0);
	return p->n;
}

static inline void put_end(struct packet *p, size_t began)
{
	p->data[began - 2] = (uint8_t)((p->n - began) >> 8);
	p->data[began - 1] = (uint8_t)(p->n - began);
}

#endif
