/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/stream.h"

#include <stdlib.h>
#include <string.h>

#include "correlate/dns/message.h"

enum {
	LENGTH = 2,
	MESSAGE_MAX = LENGTH + 65535,
	HELD_MAX = 4 * MESSAGE_MAX, /* from a message's beginning to the end of what came too early; GSO makes 128 KiB */
	SPANS_MAX = 8,
	HOLE_SEGMENTS = 32, /* so many later ones, and what did not come is not going to */
	LOOKED_AT = 512, /* octets of what may be a message: its question, and records if that is short */
	NONE = -1,
};

/* Octets that are there, as offsets into the buffer. */
struct span {
	uint32_t from, to;
};

struct stream {
	uint64_t cookie;
	int32_t next;          /* of the same bucket, or of the free ones */
	int32_t older, newer;  /* in the order of use */
	bool egress;
	bool in_step;          /* `at` is where a message begins */
	uint32_t at;           /* sequence number of buffer[0] */
	uint8_t *buffer;       /* NULL if nothing is held */
	uint32_t capacity;
	struct span spans[SPANS_MAX]; /* sorted, apart from each other */
	unsigned nspans;
	uint32_t starts[HOLE_SEGMENTS]; /* where segments began, in the order of their coming */
	unsigned nstarts;
	unsigned waited;       /* segments that came behind the first hole */
	uint64_t hole_ns;      /* since when there is one */
};

struct dns_streams {
	struct dns_streams_options options;
	struct dns_streams_stats stats;
	struct stream *streams;
	int32_t *buckets;
	uint32_t nbuckets; /* a power of two */
	int32_t free, oldest, newest;
	const struct dns_segment *last;
};

/* ---- the table ---- */

static int32_t *bucket_of(const struct dns_streams *s, uint64_t cookie, bool egress)
{
	uint64_t hash = (cookie * 2 + egress) * 0x9e3779b97f4a7c15ull;

	return &s->buckets[hash >> 32 & (s->nbuckets - 1)];
}

static void unlink_use(struct dns_streams *s, struct stream *t)
{
	if (t->older != NONE)
		s->streams[t->older].newer = t->newer;
	else
		s->oldest = t->newer;
	if (t->newer != NONE)
		s->streams[t->newer].older = t->older;
	else
		s->newest = t->older;
}

static void link_newest(struct dns_streams *s, struct stream *t)
{
	int32_t i = (int32_t)(t - s->streams);

	t->older = s->newest;
	t->newer = NONE;
	if (s->newest != NONE)
		s->streams[s->newest].newer = i;
	else
		s->oldest = i;
	s->newest = i;
}

static void let_go(struct dns_streams *s, struct stream *t)
{
	s->stats.bytes -= t->capacity;
	free(t->buffer);
	t->buffer = NULL;
	t->capacity = 0;
	t->nspans = t->nstarts = 0;
}

static void forget(struct dns_streams *s, struct stream *t)
{
	int32_t *link = bucket_of(s, t->cookie, t->egress);

	while (&s->streams[*link] != t)
		link = &s->streams[*link].next;
	*link = t->next;
	unlink_use(s, t);
	let_go(s, t);
	t->next = s->free;
	s->free = (int32_t)(t - s->streams);
	s->stats.streams--;
}

static struct stream *find(struct dns_streams *s, const struct dns_segment *segment)
{
	for (int32_t i = *bucket_of(s, segment->cookie, segment->egress); i != NONE; i = s->streams[i].next)
		if (s->streams[i].cookie == segment->cookie && s->streams[i].egress == segment->egress)
			return &s->streams[i];
	return NULL;
}

static struct stream *make(struct dns_streams *s, const struct dns_segment *segment)
{
	int32_t *bucket = bucket_of(s, segment->cookie, segment->egress);
	struct stream *t;

	if (s->free == NONE) {
		s->stats.evicted += s->streams[s->oldest].nspans > 0;
		forget(s, &s->streams[s->oldest]);
	}
	t = &s->streams[s->free];
	s->free = t->next;
	*t = (struct stream){ .cookie = segment->cookie, .egress = segment->egress, .next = *bucket };
	*bucket = (int32_t)(t - s->streams);
	link_newest(s, t);
	s->stats.streams++;
	return t;
}

/* ---- messages ---- */

static uint32_t length_at(const uint8_t *data)
{
	return (uint32_t)data[0] << 8 | data[1];
}

static void give(struct dns_streams *s, const uint8_t *data, size_t n, size_t whole)
{
	s->stats.messages++;
	s->stats.cut += n < whole;
	s->options.message(s->options.arg, s->last, data, n, whole);
}

/* Gives what is whole, and says how many octets that took. */
static uint32_t give_whole(struct dns_streams *s, const uint8_t *data, uint32_t n)
{
	uint32_t done = 0;

	while (n - done >= LENGTH) {
		uint32_t length = length_at(data + done);

		if (n - done - LENGTH < length)
			break;
		give(s, data + done + LENGTH, length, length);
		done += LENGTH + length;
	}
	return done;
}

/*
 * Whether a message may begin here, in the middle of a stream: a length and, if there is more, a header that is
 * plausible. A length by itself is how some write it: RFC 7766 8 advises against that. Each segment behind a hole is
 * asked, so whoever makes holes must not make this long.
 */
static bool begins_like_a_message(const uint8_t *data, size_t n)
{
	struct dns_message m;
	size_t whole;

	if (n < LENGTH || length_at(data) < DNS_HEADER)
		return false;
	if (n == LENGTH)
		return true;
	if (n < LENGTH + DNS_HEADER)
		return false;
	whole = n - LENGTH < length_at(data) ? n - LENGTH : length_at(data);
	dns_message_read(data + LENGTH, whole < LOOKED_AT ? whole : LOOKED_AT, &m);
	return m.question.name.length && m.counts[DNS_QUESTIONS] == 1 && !(m.flags & DNS_Z) &&
	       (m.flaw == DNS_SOUND || m.flaw == DNS_ENDS_EARLY);
}

/* ---- what is held ---- */

static bool make_room(struct dns_streams *s, struct stream *t, uint32_t n)
{
	uint32_t capacity = t->capacity ? t->capacity : 1024;
	uint8_t *buffer;

	if (n <= t->capacity)
		return true;
	while (capacity < n)
		capacity *= 2;
	if (s->stats.bytes - t->capacity + capacity > s->options.bytes_max)
		return false;
	buffer = realloc(t->buffer, capacity);
	if (!buffer)
		return false;
	s->stats.bytes += capacity - t->capacity;
	if (s->stats.bytes > s->stats.bytes_held_most)
		s->stats.bytes_held_most = s->stats.bytes;
	t->buffer = buffer;
	t->capacity = capacity;
	return true;
}

/* The spans that [from, to) touches: from the first one that is not before it on. Returns that, and their number. */
static unsigned touching(const struct stream *t, uint32_t from, uint32_t to, unsigned *ret_n)
{
	unsigned first = 0, end;

	while (first < t->nspans && t->spans[first].to < from)
		first++;
	for (end = first; end < t->nspans && t->spans[end].from <= to; end++)
		;
	*ret_n = end - first;
	return first;
}

static bool may_add_span(const struct stream *t, uint32_t from, uint32_t to)
{
	unsigned n;

	touching(t, from, to, &n);
	return n || t->nspans < SPANS_MAX;
}

static void add_span(struct stream *t, uint32_t from, uint32_t to)
{
	unsigned n, i = touching(t, from, to, &n);

	if (n && t->spans[i].from < from)
		from = t->spans[i].from;
	if (n && t->spans[i + n - 1].to > to)
		to = t->spans[i + n - 1].to;
	memmove(&t->spans[i + 1], &t->spans[i + n], (t->nspans - i - n) * sizeof(t->spans[0]));
	t->nspans += 1 - n;
	t->spans[i] = (struct span){ from, to };
}

/* The stream goes on n octets later: what is before is done with. */
static void advance(struct dns_streams *s, struct stream *t, uint32_t n)
{
	uint32_t end = t->nspans ? t->spans[t->nspans - 1].to : 0;
	unsigned kept = 0;

	t->at += n;
	if (end <= n) {
		let_go(s, t);
		return;
	}
	memmove(t->buffer, t->buffer + n, end - n);
	for (unsigned i = 0; i < t->nspans; i++) {
		if (t->spans[i].to <= n)
			continue;
		t->spans[kept].from = t->spans[i].from > n ? t->spans[i].from - n : 0;
		t->spans[kept++].to = t->spans[i].to - n;
	}
	t->nspans = kept;
	kept = 0;
	for (unsigned i = 0; i < t->nstarts; i++)
		if (t->starts[i] >= n)
			t->starts[kept++] = t->starts[i] - n;
	t->nstarts = kept;
}

static void note_start(struct stream *t, uint32_t at)
{
	if (t->nstarts == HOLE_SEGMENTS)
		memmove(t->starts, t->starts + 1, --t->nstarts * sizeof(t->starts[0]));
	t->starts[t->nstarts++] = at;
}

/* Octets from the beginning that are there. */
static uint32_t in_sequence(const struct stream *t)
{
	return t->nspans && !t->spans[0].from ? t->spans[0].to : 0;
}

static bool has_hole(const struct stream *t)
{
	return t->nspans > (in_sequence(t) ? 1u : 0u);
}

static void give_held(struct dns_streams *s, struct stream *t)
{
	uint32_t done = give_whole(s, t->buffer, in_sequence(t));

	if (done)
		advance(s, t, done);
}

static void lose_step(struct dns_streams *s, struct stream *t)
{
	let_go(s, t);
	t->in_step = false;
}

/* The first segment behind the hole that begins like a message: where; 0 if none does. */
static uint32_t message_behind(const struct stream *t, uint32_t hole)
{
	uint32_t first = 0;

	for (unsigned i = 0; i < t->nstarts; i++) {
		uint32_t from = t->starts[i];

		for (unsigned k = 0; k < t->nspans && from > hole && (!first || from < first); k++)
			if (from >= t->spans[k].from && from < t->spans[k].to &&
			    begins_like_a_message(t->buffer + from, t->spans[k].to - from))
				first = from;
	}
	return first;
}

/*
 * What comes next is lost for good. The message that it is of is given as far as it came, if its length came; the next
 * one begins behind it. Else what follows must begin like a message.
 */
static void give_up_hole(struct dns_streams *s, struct stream *t)
{
	uint32_t have = in_sequence(t);
	uint32_t whole = have >= LENGTH ? length_at(t->buffer) : 0, from;

	s->stats.gaps++;
	if (have >= LENGTH) {
		give(s, t->buffer + LENGTH, have - LENGTH, whole);
		advance(s, t, LENGTH + whole);
		return;
	}
	from = message_behind(t, have);
	if (from)
		advance(s, t, from);
	else
		lose_step(s, t);
}

/* ---- segments ---- */

static bool find_step(struct dns_streams *s, struct stream *t, const struct dns_segment *segment)
{
	if (!begins_like_a_message(segment->data, segment->length)) {
		s->stats.skipped++;
		return false;
	}
	t->in_step = true;
	t->at = segment->sequence;
	return true;
}

/* Where octets come twice the first ones count, as they do for Linux. */
static void copy_new(struct stream *t, uint32_t from, const uint8_t *data, uint32_t n)
{
	uint32_t at = from, end = from + n;

	for (unsigned i = 0; i < t->nspans && at < end; i++) {
		uint32_t until = t->spans[i].from < end ? t->spans[i].from : end;

		if (until > at)
			memcpy(t->buffer + at, data + (at - from), until - at);
		if (t->spans[i].to > at)
			at = t->spans[i].to;
	}
	if (at < end)
		memcpy(t->buffer + at, data + (at - from), end - at);
}

/* False if there is no room, and the stream is out of step then, or if there would be too many holes. */
static bool hold(struct dns_streams *s, struct stream *t, uint32_t offset, const uint8_t *data, uint32_t n)
{
	if (!make_room(s, t, offset + n)) {
		s->stats.refused++;
		s->stats.gaps++;
		lose_step(s, t);
		return false;
	}
	if (!may_add_span(t, offset, offset + n))
		return false;
	copy_new(t, offset, data, n);
	add_span(t, offset, offset + n);
	note_start(t, offset);
	return true;
}

/* The first hole is not going to be filled. How far the stream has gone on; UINT32_MAX: out of step. */
static uint32_t move_on(struct dns_streams *s, struct stream *t)
{
	uint32_t before = t->at;

	give_up_hole(s, t);
	if (t->in_step)
		give_held(s, t);
	return t->in_step ? t->at - before : UINT32_MAX;
}

static void place(struct dns_streams *s, struct stream *t, uint32_t offset, const uint8_t *data, uint32_t n)
{
	uint32_t done = 0;

	if (!offset && !t->nspans) {
		done = give_whole(s, data, n);
		t->at += done;
	}
	while (done < n && !hold(s, t, offset, data + done, n - done)) {
		uint32_t moved = t->in_step ? move_on(s, t) : UINT32_MAX;

		if (moved == UINT32_MAX)
			return;
		if (moved > offset)
			done += moved - offset;
		offset = moved > offset ? 0 : offset - moved;
	}
	if (done < n)
		give_held(s, t);
}

/* A hole is waited for as long as a segment may come again, which it does soon if it was the network that lost it. */
static void watch_hole(struct dns_streams *s, struct stream *t, uint32_t at_before, const struct dns_segment *segment)
{
	if (!t->in_step || !has_hole(t)) {
		t->waited = 0;
		return;
	}
	if (!t->waited || t->at != at_before) {
		t->waited = 0;
		t->hole_ns = segment->time_ns;
	}
	if (++t->waited > HOLE_SEGMENTS || segment->time_ns - t->hole_ns > s->options.wait_ns) {
		move_on(s, t);
		t->waited = 0;
	}
}

static void take_data(struct dns_streams *s, struct stream *t, const struct dns_segment *segment)
{
	int64_t offset;
	const uint8_t *data = segment->data;
	size_t n = segment->length;

	if (!t->in_step && !find_step(s, t, segment))
		return;
	offset = (int32_t)(segment->sequence - t->at);
	if (offset + (int64_t)n <= 0) {
		s->stats.repeated++;
		return;
	}
	if (offset < 0) {
		data -= offset;
		n -= (size_t)-offset;
		offset = 0;
	}
	if (offset + (int64_t)n > HELD_MAX && (offset || t->nspans)) {
		s->stats.gaps++;
		lose_step(s, t);
		if (!find_step(s, t, segment))
			return;
		data = segment->data;
		n = segment->length;
		offset = 0;
	}
	place(s, t, (uint32_t)offset, data, (uint32_t)n);
}

/* Octets that nobody will see: the hole behind this segment. */
static void take_missing(struct dns_streams *s, struct stream *t, const struct dns_segment *segment)
{
	uint32_t end = segment->sequence + (uint32_t)segment->length;

	if (!t->in_step || end - t->at != in_sequence(t))
		return; /* out of order: the hole is found when it is waited for */
	give_up_hole(s, t);
	if (t->in_step && (int32_t)(end + (uint32_t)segment->missing - t->at) > 0)
		lose_step(s, t); /* the next message began in there */
}

/* What is held behind holes is told yet. */
static void finish(struct dns_streams *s, struct stream *t)
{
	while (t->in_step && t->nspans)
		move_on(s, t);
	forget(s, t);
}

void dns_streams_take(struct dns_streams *s, const struct dns_segment *segment)
{
	struct stream *t = find(s, segment);
	struct dns_segment data = *segment;
	uint32_t at_before;

	s->last = segment;
	if (!t && !segment->syn && !segment->length)
		return;
	if (!t)
		t = make(s, segment);
	else if (s->newest != t - s->streams) {
		unlink_use(s, t);
		link_newest(s, t);
	}
	if (segment->syn) {
		s->stats.gaps += t->nspans > 0;
		let_go(s, t);
		t->in_step = true;
		t->at = segment->sequence + 1;
		data.sequence++; /* the SYN has a number of its own */
	}
	at_before = t->at;
	if (data.length)
		take_data(s, t, &data);
	watch_hole(s, t, at_before, &data);
	if (data.missing)
		take_missing(s, t, &data);
	if (segment->end)
		finish(s, t);
}

/* ---- */

struct dns_streams *dns_streams_open(const struct dns_streams_options *options)
{
	struct dns_streams *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = *options;
	for (s->nbuckets = 16; s->nbuckets < options->streams_max; s->nbuckets *= 2)
		;
	s->streams = calloc(options->streams_max, sizeof(*s->streams));
	s->buckets = malloc(s->nbuckets * sizeof(*s->buckets));
	s->oldest = s->newest = s->free = NONE;
	if (!s->streams || !s->buckets) {
		dns_streams_close(s);
		return NULL;
	}
	memset(s->buckets, 0xff, s->nbuckets * sizeof(*s->buckets)); /* NONE */
	for (unsigned i = options->streams_max; i--; s->free = (int32_t)i)
		s->streams[i].next = s->free;
	return s;
}

void dns_streams_close(struct dns_streams *s)
{
	if (!s)
		return;
	for (unsigned i = 0; s->streams && i < s->options.streams_max; i++)
		free(s->streams[i].buffer);
	free(s->streams);
	free(s->buckets);
	free(s);
}

void dns_streams_stats(const struct dns_streams *s, struct dns_streams_stats *ret)
{
	*ret = s->stats;
}
