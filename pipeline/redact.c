/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/redact.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/secret.h"

/* ---- at a glance ---- */

/* What a command line must hold for one of the ways to find anything. */
enum glance {
	GLANCE_NAMES = 1, /* a piece of a name that is looked for */
	GLANCE_URLS = 2,  /* "//" */
	GLANCE_FLAGS = 4, /* a short flag that some program takes a secret with */
};

enum { LANES = 16, WINDOW = LANES + 2 };

#define VECTOR __attribute__((vector_size(LANES)))

typedef uint8_t VECTOR lanes; /* the compiler's, for SSE2 and NEON alike */

struct glances {
	lanes names, urls, flags;
};

static inline lanes load(const char *s)
{
	lanes v;

	memcpy(&v, s, sizeof(v));
	return v | 0x20; /* lower case; NUL becomes a space */
}

#define THREE(x, y, z) ((lanes)(a == (x)) & (lanes)(b == (y)) & (lanes)(c == (z)))

/* Three characters of each name, in 16 places at once; reads WINDOW bytes. */
static inline void glance_at(struct glances *g, const char *s)
{
	lanes a = load(s), b = load(s + 1), c = load(s + 2);

	g->names |= THREE('a', 's', 's') | THREE('p', 'w', 'd') | THREE('c', 'r', 'e') | THREE('o', 'k', 'e') |
		    THREE('k', 'e', 'y') | THREE('u', 't', 'h') | THREE('r', 'e', 'r') | THREE('o', 'k', 'i') |
		    THREE('t', 'i', 'f') | THREE('u', 'r', 'l') | THREE('n', 'm', 'p') | THREE('m', '-', 'l') |
		    THREE('-', 'u', 's') | THREE('s', 'i', 'g');
	g->urls |= (lanes)(a == '/') & (lanes)(b == '/');
	/* behind a space, a NUL or a quote: 0x20 to 0x2a, lower case made nothing else of them */
	g->flags |= (lanes)(a - 0x20 <= 0x0a) & (lanes)(b == '-') &
		    ((lanes)(c == 'p') | (lanes)(c == 'u') | (lanes)(c == 'a') | (lanes)(c == 'w') | (lanes)(c == 'x'));
}

static inline bool any(lanes v)
{
	uint64_t halves[2];

	memcpy(halves, &v, sizeof(v));
	return halves[0] | halves[1];
}

static unsigned glance(const char *s, size_t n)
{
	struct glances g = { 0 };
	char rest[WINDOW] = { 0 };

	for (; n >= WINDOW; s += LANES, n -= LANES)
		glance_at(&g, s);
	memcpy(rest, s, n);
	glance_at(&g, rest);
	return (any(g.names) ? GLANCE_NAMES : 0) | (any(g.urls) ? GLANCE_URLS : 0) | (any(g.flags) ? GLANCE_FLAGS : 0);
}

/* ---- arguments ---- */

/* Copies what is not marked. Returns whether all of it fitted. */
static bool copy_unmarked(const struct secrets *secrets, char *out, size_t max, size_t *ret_n)
{
	size_t length = 0, to;

	for (size_t at = 0; at < secrets->n; at = to) {
		const char *piece = secrets->s + at;
		size_t n;

		for (to = at + 1; to < secrets->n && secrets->marks[to] == secrets->marks[at];)
			to++;
		n = to - at;
		if (secrets->marks[at]) {
			piece = REDACTED;
			n = sizeof(REDACTED) - 1;
		}
		if (n > max - length) {
			memcpy(out + length, piece, max - length);
			*ret_n = max;
			return false;
		}
		memcpy(out + length, piece, n);
		length += n;
	}
	*ret_n = length;
	return true;
}

bool redact_args(const char *args, size_t n, char *out, size_t max, size_t *ret_n, bool *ret_cut)
{
	char marks[TAPIO_RECORD_MAX];
	struct secrets secrets = { .s = args, .n = n < sizeof(marks) ? n : sizeof(marks), .marks = marks };
	unsigned seen = glance(args, secrets.n);

	if (!seen)
		return false;
	memset(marks, 0, secrets.n);
	if (seen & GLANCE_NAMES)
		secret_values(&secrets);
	if (seen & GLANCE_URLS)
		secret_urls(&secrets);
	if (seen & (GLANCE_NAMES | GLANCE_FLAGS))
		secret_flags(&secrets);
	if (!secrets.count)
		return false;
	*ret_cut = !copy_unmarked(&secrets, out, max, ret_n);
	return true;
}

/* ---- events ---- */

/* Adds a field to those that are absent. */
static void absent_add(struct redacted *memory, const struct event_desc *desc, const char *name)
{
	const char *known = memory->absent.json;
	size_t length = known ? strlen(known) - 1 : 0; /* without the bracket at its end */
	int index = event_field_index(desc, name);

	if (index < 0 || memory->absent.mask >> index & 1)
		return;
	memory->absent.mask |= 1ull << index;
	if (length + strlen(name) + sizeof(",\"\"]") > sizeof(memory->json))
		return;
	if (known != memory->json)
		memcpy(memory->json, known ? known : "", length);
	snprintf(memory->json + length, sizeof(memory->json) - length, "%s\"%s\"]", length > 1 ? "," : length ? "" : "[",
		 name);
	memory->absent.json = memory->json;
}

static void view_of_copy(const struct event_view *in, struct redacted *memory, struct event_view *out)
{
	memory->absent = in->absent ? *in->absent : (struct event_absent){ 0 };
	*out = *in;
	out->ev = &memory->ev;
	out->absent = &memory->absent;
}

/* The new arguments go behind the tail, or where the old ones are if there is more room. */
static bool redact_copy(const struct event_view *in, struct redacted *memory, struct event_view *out)
{
	const struct tapio_strv args = ((const struct tapio_process_exec *)in->ev)->args;
	struct tapio_process_exec *copy = (struct tapio_process_exec *)memory->bytes;
	size_t size = in->ev->size, room = TAPIO_RECORD_MAX - size, length;
	bool behind = room >= args.length, cut;
	size_t offset = behind ? size : args.offset;

	if (!behind)
		memcpy(memory->bytes, in->ev, size);
	if (!redact_args((const char *)in->ev + args.offset, args.length, memory->bytes + offset,
			 behind ? room : args.length, &length, &cut))
		return false;
	if (behind) {
		memcpy(memory->bytes, in->ev, size);
		memset(memory->bytes + args.offset, 0, args.length);
		copy->ev.size = (__u32)(size + length);
	} else {
		memset(memory->bytes + offset + length, 0, args.length - length);
	}
	copy->args = (struct tapio_strv){ (__u16)offset, (__u16)length };
	copy->args_truncated |= cut;
	view_of_copy(in, memory, out);
	return true;
}

void redact_view(const struct event_view *in, enum redact_mode mode, struct redacted *memory,
		 struct event_view *out)
{
	const struct tapio_process_exec *exec = (const struct tapio_process_exec *)in->ev;
	struct tapio_process_exec *copy = (struct tapio_process_exec *)memory->bytes;

	*out = *in;
	if (mode == REDACT_FULL || in->ev->type != TAPIO_EV_PROCESS_EXEC)
		return;
	if (mode == REDACT_ALL) {
		memcpy(memory->bytes, exec, exec->ev.size);
		if (exec->args.length)
			memset(memory->bytes + exec->args.offset, 0, exec->args.length);
		copy->args = (struct tapio_strv){ 0 };
		view_of_copy(in, memory, out);
		absent_add(memory, in->desc, "process.command_args");
	} else if (exec->args.length && redact_copy(in, memory, out)) {
		absent_add(memory, in->desc, "process.args.size");
	}
}
