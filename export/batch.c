/* SPDX-License-Identifier: Apache-2.0 */
#include "export/batch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "export/json.h"
#include "export/output.h"

#define KEPT_BYTES (256u << 10)
#define FAT_BYTES (2 * KEPT_BYTES)

void gap_add(struct gap *gap, const struct gap *more)
{
	if (!more->count)
		return;
	if (!gap->count || more->first_ns < gap->first_ns)
		gap->first_ns = more->first_ns;
	if (!gap->count || more->last_ns > gap->last_ns)
		gap->last_ns = more->last_ns;
	gap->count += more->count;
}

int batch_init(struct batch *b, size_t max_bytes)
{
	/* room for the largest event beyond the maximum: how long it is shows when it is written */
	*b = (struct batch){ .buf = BUF_INIT(max_bytes + OUTPUT_MAX_BYTES), .max_bytes = max_bytes };
	return buf_room(&b->buf, b->buf.max) ? 0 : -ENOMEM;
}

void batch_free(struct batch *b)
{
	buf_free(&b->buf);
}

bool batch_add(struct batch *b, const struct event_view *view, const struct text_options *text)
{
	const struct gap one = { 1, view->wall_ns, view->wall_ns };
	size_t before = b->buf.length;

	if (b->full)
		return false;
	if (text)
		text_event(&b->buf, view, text);
	else
		json_event(&b->buf, view);
	if (b->buf.length > b->peak)
		b->peak = b->buf.length;
	if (b->buf.refused || b->buf.length > b->max_bytes) {
		b->buf.length = before;
		b->buf.refused = false;
		b->full = true;
		return false;
	}
	gap_add(&b->events, &one);
	return true;
}

void batch_refuse(struct batch *b, enum sink_drop why, uint64_t wall_ns)
{
	const struct gap one = { 1, wall_ns, wall_ns };

	gap_add(&b->refused[why], &one);
}

bool batch_is_empty(const struct batch *b)
{
	uint64_t n = b->events.count;

	for (unsigned i = 0; i < SINK_DROPS; i++)
		n += b->refused[i].count;
	return !n;
}

void batch_reset(struct batch *b)
{
	buf_reset(&b->buf);
	memset(&b->events, 0, sizeof(b->events));
	memset(b->refused, 0, sizeof(b->refused));
	b->full = false;
}

bool batch_is_fat(const struct batch *b)
{
	return b->peak > FAT_BYTES;
}

void batch_trim(struct batch *b)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)b->buf.data + KEPT_BYTES + page - 1) & ~(page - 1);
	uintptr_t to = (uintptr_t)(b->buf.data + b->peak + page - 1) & ~(page - 1);

	/* the page of the end is the buffer's, too: there are megabytes behind `peak` */
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
	b->peak = 0;
}

void batch_written(struct batch *b, uint64_t now_ns, uint64_t after_ns)
{
	if (b->buf.length > FAT_BYTES)
		b->needed_ns = now_ns;
	else if (batch_is_fat(b) && now_ns - b->needed_ns > after_ns)
		batch_trim(b);
}
