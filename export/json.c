/* SPDX-License-Identifier: Apache-2.0 */
#include "export/json.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "base/cleanup.h"
#include "export/names.h"
#include "export/output.h"
#include "export/utf8.h"

enum {
	KEY_ROOM = 48,    /* `,"name":`; that all names fit is a test */
	SLACK = 64,       /* keys and strings are copied in pieces that overrun their end */
	ESCAPE_MAX = 6,   /* one byte becomes \u00XX at worst */
	NUMBER_MAX = 24,
	TIME_MAX = 40,
	CAPS_MAX = 64 * 32,
	SECONDS = 64
};

static const char absent_key[] = ",\"tapio.absent\":";

/* When a field is left out, beside being absent: the short ways through event_has. */
enum when {
	WHEN_ASKED,
	WHEN_ALWAYS,
	WHEN_NOT_ZERO, /* 32 bits */
};

/* How to render one field: what a row of the table says, laid out for speed. */
struct step {
	const struct event_field *field;
	uint8_t index;
	uint8_t key_length;
	uint8_t when; /* enum when */
	char key[KEY_ROOM] __attribute__((aligned(16)));
};

/* How to render one event. */
struct plan {
	size_t fixed_room;  /* bytes at worst, without what comes from the tail */
	size_t tail_factor; /* bytes at worst for each byte of tail: all strings may name all of it */
	unsigned nsteps;
	unsigned ncommon; /* of them, those that every event of a process has */
	unsigned head_length;
	char head[2 * KEY_ROOM]; /* between the digits of the time and the first field */
	struct step steps[];
};

static struct plan *plans[TAPIO_EV_MAX];

/* ---- numbers ---- */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930"
				  "31323334353637383940414243444546474849505152535455565758596061"
				  "62636465666768697071727374757677787980818283848586878889909192"
				  "93949596979899";

static inline void put_pair(char *p, unsigned v)
{
	memcpy(p, digit_pairs + 2 * v, 2);
}

/* The eight digits of v < 10^8, one a byte, the first one lowest. */
static inline uint64_t digits_of(uint32_t v)
{
	uint64_t fours = v / 10000 | (uint64_t)(v % 10000) << 32, twos, tens;

	tens = (fours * 10486 >> 20) & 0x7f0000007f; /* / 100, in both halves */
	twos = (fours - tens * 100) << 16 | tens;
	tens = (twos * 103 >> 10) & 0x000f000f000f000f; /* / 10, in all four quarters */
	return (twos - tens * 10) << 8 | tens;
}

static inline char *put_eight(char *p, uint32_t v)
{
	uint64_t digits = digits_of(v) + ~0ull / 255 * '0';

	memcpy(p, &digits, 8);
	return p + 8;
}

/* v < 10^8 without leading zeros; writes up to 8 bytes whatever it returns. */
static inline char *put_small(char *p, uint32_t v)
{
	uint64_t digits;
	unsigned zeros;

	if (v < 100) {
		put_pair(p, v);
		p[0] = v < 10 ? p[1] : p[0];
		return p + 1 + (v >= 10);
	}
	digits = digits_of(v);
	zeros = (unsigned)__builtin_ctzll(digits) / 8;
	digits = (digits + ~0ull / 255 * '0') >> 8 * zeros;
	memcpy(p, &digits, 8);
	return p + 8 - zeros;
}

static inline char *put_u32(char *p, uint32_t v)
{
	const uint32_t e8 = 100000000;

	return v < e8 ? put_small(p, v) : put_eight(put_small(p, v / e8), v % e8);
}

static char *put_u64(char *p, uint64_t v)
{
	const uint64_t e8 = 100000000;

	if (v >= e8 * e8) {
		p = put_small(p, (uint32_t)(v / e8 / e8));
		p = put_eight(p, (uint32_t)(v / e8 % e8));
		return put_eight(p, (uint32_t)(v % e8));
	}
	if (v >= e8)
		return put_eight(put_small(p, (uint32_t)(v / e8)), (uint32_t)(v % e8));
	return put_small(p, (uint32_t)v);
}

static char *put_s64(char *p, int64_t v)
{
	if (v >= 0)
		return put_u64(p, (uint64_t)v);
	*p++ = '-';
	return put_u64(p, 0 - (uint64_t)v);
}

/* ---- time ---- */

/* 2026-03-01T12:34:56. of one second. */
struct second {
	uint64_t s; /* since 1970, and 1: 0 is an empty entry */
	char text[20];
};

/* An event's own instants lie close together; those of parents are older, and few. */
static _Thread_local struct second seconds[SECONDS];

static const char *text_of(uint64_t s)
{
	struct second *cached = &seconds[s % SECONDS];
	char *text = cached->text;
	time_t t = (time_t)s;
	struct tm tm;

	if (cached->s == s + 1)
		return text;
	gmtime_r(&t, &tm);
	put_pair(text, (unsigned)(tm.tm_year + 1900) / 100);
	put_pair(text + 2, (unsigned)(tm.tm_year + 1900) % 100);
	put_pair(text + 5, (unsigned)tm.tm_mon + 1);
	put_pair(text + 8, (unsigned)tm.tm_mday);
	put_pair(text + 11, (unsigned)tm.tm_hour);
	put_pair(text + 14, (unsigned)tm.tm_min);
	put_pair(text + 17, (unsigned)tm.tm_sec);
	text[4] = text[7] = '-';
	text[10] = 'T';
	text[13] = text[16] = ':';
	text[19] = '.';
	cached->s = s + 1;
	return text;
}

/* 2026-03-01T12:34:56.123456789, without the Z. 64 bits of nanoseconds end in the year 2554. */
static inline char *put_time(char *p, uint64_t ns)
{
	uint64_t s = ns / 1000000000;
	uint32_t fraction = (uint32_t)(ns - s * 1000000000);

	memcpy(p, text_of(s), 20);
	p[20] = (char)('0' + fraction / 100000000);
	return put_eight(p + 21, fraction % 100000000);
}

/* ---- strings ---- */

/* The top bit of each byte that cannot be copied as it is. The lowest such bit is exact. */
static inline uint64_t special_bytes(uint64_t w)
{
	const uint64_t ones = ~0ull / 255;
	uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';

	/* from 0x80 on, one of the first two has the top bit */
	return ((w - ones * 0x20) | (w + ones) | (quote - ones) | (backslash - ones)) & ones * 0x80;
}

static char *put_hex4(char *p, uint32_t v)
{
	static const char hex[] = "0123456789abcdef";

	*p++ = '\\';
	*p++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*p++ = hex[v >> shift & 15];
	return p;
}

static char *put_control(char *p, uint32_t cp)
{
	char letter = cp == '\n' ? 'n' : cp == '\t' ? 't' : cp == '\r' ? 'r' : '\0';

	if (cp >= 0x10000) /* as UTF-16 has it: in two halves */
		return put_hex4(put_hex4(p, 0xd7c0 + (cp >> 10)), 0xdc00 + (cp & 0x3ff));
	if (!letter)
		return put_hex4(p, cp);
	*p++ = '\\';
	*p++ = letter;
	return p;
}

/* One character that special_bytes found; returns how many bytes of input it takes. */
static unsigned put_special(char **p, const char *s, size_t n)
{
	uint32_t cp;
	unsigned length = utf8_decode(s, n, &cp);

	if (!length) {
		memcpy(*p, "\xef\xbf\xbd", 3);
		*p += 3;
		return 1;
	}
	if (!utf8_printable(cp)) { /* people look at JSON on terminals, too */
		*p = put_control(*p, cp);
		return length;
	}
	if (cp == '"' || cp == '\\')
		*(*p)++ = '\\';
	memcpy(*p, s, length);
	*p += length;
	return length;
}

/* Fewer than 8 bytes, in a word; the rest of it is spaces. */
static inline uint64_t load_rest(const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;
	uint64_t spaces = ~0ull / 255 * ' ' << 8 * n;
	uint32_t first, last;

	if (n < 4)
		return spaces | u[0] | (uint64_t)u[n / 2] << n / 2 * 8 | (uint64_t)u[n - 1] << (n - 1) * 8;
	memcpy(&first, s, 4);
	memcpy(&last, s + n - 4, 4);
	return spaces | (uint64_t)last << 8 * (n - 4) | first;
}

/* Copies and escapes; with `list`, a NUL ends one string of a list and begins the next. */
static inline __attribute__((always_inline)) char *put_bytes(char *p, const char *s, size_t n,
							     bool list)
{
	uint64_t w, special;
	unsigned step;

	while (n) {
		if (n >= 8)
			memcpy(&w, s, 8);
		else
			w = load_rest(s, n);
		memcpy(p, &w, 8);
		special = special_bytes(w);
		step = special ? (unsigned)__builtin_ctzll(special) / 8 : 8;
		if (step >= n)
			return p + n;
		p += step;
		s += step;
		n -= step;
		if (!special)
			continue;
		if (list && !*s) {
			memcpy(p, "\",\"", 3);
			p += 3;
			step = 1;
		} else {
			step = put_special(&p, s, n);
		}
		s += step;
		n -= step;
	}
	return p;
}

static char *put_escaped(char *p, const char *s, size_t n)
{
	return put_bytes(p, s, n, false);
}

static inline char *put_string(char *p, const char *s, size_t n)
{
	*p++ = '"';
	p = put_escaped(p, s, n);
	*p++ = '"';
	return p;
}

/* ---- fields ---- */

static inline char *put_raw(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

/* A symbol, or the number in quotes where there is none: one type for those who read it. */
static char *put_symbol(char *p, const char *symbol, int64_t number)
{
	*p++ = '"';
	p = symbol ? put_raw(p, symbol, strlen(symbol)) : put_s64(p, number);
	*p++ = '"';
	return p;
}

static char *put_strv(char *p, struct bytes all)
{
	size_t last = all.length - !all.data[all.length - 1]; /* the last NUL may be missing */

	memcpy(p, "[\"", 2);
	p = put_bytes(p + 2, all.data, last, true);
	memcpy(p, "\"]", 2);
	return p + 2;
}

static char *put_caps(char *p, uint64_t bits)
{
	const char *name;

	*p++ = '[';
	for (unsigned i = 0; bits; i++, bits >>= 1) {
		if (!(bits & 1))
			continue;
		name = cap_name(i);
		*p++ = '"';
		p = name ? put_raw(p, name, strlen(name)) : put_u64(put_raw(p, "CAP_", 4), i);
		p = put_raw(p, "\",", 2);
	}
	p -= p[-1] == ',';
	*p++ = ']';
	return p;
}

static char *put_path(char *p, const struct event_view *view, const struct event_field *f)
{
	unsigned flags = event_path_flags(view, f);
	struct bytes name;
	size_t pos = 0;

	*p++ = '"';
	if (flags & TAPIO_PATH_TRUNCATED)
		p = put_raw(p, EVENT_PATH_CUT, sizeof(EVENT_PATH_CUT) - 1);
	while (event_path_next(view, f, &pos, &name)) {
		*p++ = '/';
		p = put_escaped(p, name.data, name.length);
	}
	if (flags & TAPIO_PATH_DELETED)
		p = put_raw(p, EVENT_PATH_GONE, sizeof(EVENT_PATH_GONE) - 1);
	*p++ = '"';
	return p;
}

static char *put_address(char *p, const struct event_view *view, const struct event_field *f)
{
	struct tapio_address address = event_address(view, f);
	const uint8_t *o = address.octets;

	*p++ = '"';
	if (address.family == 4) { /* most are, and this is several times faster than the C library */
		for (unsigned i = 0; i < 4; i++) {
			p = put_u32(p, o[i]);
			*p++ = '.';
		}
		p--;
	} else {
		p += event_address_text(&address, p);
	}
	*p++ = '"';
	return p;
}

static char *put_number(char *p, const struct event_view *view, const struct event_field *f)
{
	int64_t v = event_number(view, f);
	bool symbol = f->flags & AS_NAME;

	switch (f->kind) {
	case KIND_BOOL:
		return v ? put_raw(p, "true", 4) : put_raw(p, "false", 5);
	case KIND_S32:
		return put_s64(p, v);
	case KIND_ERRNO:
		return symbol ? put_symbol(p, errno_name((int)v), v) : put_s64(p, v);
	case KIND_SIGNAL:
		return symbol ? put_symbol(p, signal_name((unsigned)v), v) : put_s64(p, v);
	case KIND_SENSOR:
		return put_symbol(p, sensor_name((unsigned)v), v);
	case KIND_CAUSE:
		return put_symbol(p, cause_name((unsigned)v), v);
	case KIND_INSTANT:
		*p++ = '"';
		p = put_time(p, (uint64_t)v + (uint64_t)view->boot_to_wall_ns);
		return put_raw(p, "Z\"", 2);
	case KIND_CAPS:
		return put_caps(p, (uint64_t)v);
	default:
		return put_u64(p, (uint64_t)v);
	}
}

static inline char *put_value(char *p, const struct event_view *view, const struct event_field *f)
{
	const char *comm = (const char *)view->ev + f->offset;
	struct bytes s;
	uint32_t u32;

	switch (f->kind) {
	case KIND_U32: /* half of all fields */
		memcpy(&u32, comm, sizeof(u32));
		return put_u32(p, u32);
	case KIND_COMM:
		return put_string(p, comm, strnlen(comm, f->size));
	case KIND_STR:
		s = event_str(view, f);
		return put_string(p, s.data, s.length);
	case KIND_STRV:
		return put_strv(p, event_str(view, f));
	case KIND_PATH:
		return put_path(p, view, f);
	case KIND_ADDRESS:
		return put_address(p, view, f);
	default:
		return put_number(p, view, f);
	}
}

/* ---- plans ---- */

static size_t value_room(const struct event_field *f)
{
	switch (f->kind) {
	case KIND_COMM:
		return ESCAPE_MAX * f->size + 2;
	case KIND_CAPS:
		return CAPS_MAX;
	case KIND_INSTANT:
		return TIME_MAX;
	case KIND_ADDRESS:
		return EVENT_ADDRESS_BUF + 2;
	default: /* of strings, what they need beside their bytes */
		return SLACK;
	}
}

static void plan_step(struct plan *plan, const struct event_field *f, unsigned index)
{
	bool in_tail = f->kind == KIND_STR || f->kind == KIND_STRV || f->kind == KIND_PATH;
	unsigned omit = f->flags & (OMIT_ZERO | OMIT_NEGATIVE | OMIT_ONES | OMIT_FALSE);
	struct step *step = &plan->steps[plan->nsteps];
	size_t length;

	if (f->kind == KIND_NONE)
		return;
	plan->nsteps++;
	length = strnlen(f->name, KEY_ROOM - 4);
	step->field = f;
	step->index = (uint8_t)index;
	if (!in_tail && !omit && f->kind != KIND_ADDRESS)
		step->when = WHEN_ALWAYS;
	else if (f->kind == KIND_U32 && omit == OMIT_ZERO)
		step->when = WHEN_NOT_ZERO;
	step->key_length = (uint8_t)(length + 4);
	memcpy(step->key, ",\"", 2);
	memcpy(step->key + 2, f->name, length);
	memcpy(step->key + 2 + length, "\":", 2);
	plan->fixed_room += step->key_length + value_room(f);
	plan->tail_factor += in_tail ? ESCAPE_MAX : 0;
}

static struct plan *plan_make(const struct event_desc *desc)
{
	unsigned ncommon = event_common_count(desc);
	struct plan *plan = calloc(1, sizeof(*plan) + (ncommon + desc->nfields) * sizeof(struct step));
	size_t length = strnlen(desc->name, KEY_ROOM);
	char *p;

	if (!plan)
		return NULL;
	p = put_raw(plan->head, "Z\",\"event\":\"", 12);
	p = put_raw(p, desc->name, length);
	*p++ = '"';
	plan->head_length = (unsigned)(p - plan->head);
	plan->fixed_room = sizeof(plan->head) + TIME_MAX + sizeof(absent_key) + 2 * SLACK;
	for (unsigned i = 0; i < ncommon; i++)
		plan_step(plan, &event_common[i], i);
	plan->ncommon = plan->nsteps;
	for (unsigned i = 0; i < desc->nfields; i++)
		plan_step(plan, &desc->fields[i], event_ncommon + i);
	return plan;
}

/* Made when first used, kept for good. Two threads may make the same one: the first one stays. */
static const struct plan *plan_of(const struct event_desc *desc)
{
	struct plan *plan = __atomic_load_n(&plans[desc->type], __ATOMIC_ACQUIRE), *other = NULL;

	if (plan)
		return plan;
	plan = plan_make(desc);
	if (!plan)
		return NULL;
	if (__atomic_compare_exchange_n(&plans[desc->type], &other, plan, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return plan;
	free(plan);
	return other;
}

/* ---- lines ---- */

/* event_has, without the call where that is enough. */
static inline bool step_applies(const struct step *step, const struct event_view *view)
{
	uint32_t u32;

	if (view->absent && (view->absent->mask >> step->index & 1))
		return false;
	switch ((enum when)step->when) {
	case WHEN_ALWAYS:
		return true;
	case WHEN_NOT_ZERO:
		memcpy(&u32, (const char *)view->ev + step->field->offset, sizeof(u32));
		return u32;
	default:
		return event_has(view, step->field, step->index);
	}
}

static inline char *put_steps(char *p, const struct step *step, const struct step *end,
			      const struct event_view *view)
{
	for (; step < end; step++) {
		if (!step_applies(step, view))
			continue;
		memcpy(p, step->key, sizeof(step->key));
		p = put_value(p + step->key_length, view, step->field);
	}
	return p;
}

void json_event(struct buf *out, const struct event_view *view)
{
	const struct plan *plan = plan_of(view->desc);
	const char *absent = view->absent ? view->absent->json : NULL;
	size_t absent_length = absent ? strlen(absent) : 0;
	size_t who_length = view->who ? view->who->json_length : 0;
	size_t room;
	char *p;

	if (!plan) {
		out->refused = true;
		return;
	}
	room = plan->fixed_room + plan->tail_factor * (view->ev->size - view->desc->size);
	p = buf_room(out, room + absent_length + who_length);
	if (!p)
		return;
	p = put_raw(p, "{\"time\":\"", 9);
	p = put_time(p, view->wall_ns);
	memcpy(p, plan->head, sizeof(plan->head));
	p += plan->head_length;
	p = put_steps(p, plan->steps, plan->steps + plan->ncommon, view);
	if (who_length)
		p = put_raw(p, view->who->json, who_length);
	p = put_steps(p, plan->steps + plan->ncommon, plan->steps + plan->nsteps, view);
	if (absent) {
		p = put_raw(p, absent_key, sizeof(absent_key) - 1);
		p = put_raw(p, absent, absent_length);
	}
	p = put_raw(p, "}\n", 2);
	out->length = (size_t)(p - out->data);
}

void json_quote(struct buf *out, const char *s, size_t n)
{
	char *p = buf_room(out, ESCAPE_MAX * n + SLACK);

	if (p)
		out->length = (size_t)(put_string(p, s, n) - out->data);
}
