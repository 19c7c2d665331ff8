/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a batch after a burst. */
#include "export/batch.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/record.h"
#include "tests/test.h"

#define MAX_BYTES (8u << 20)

static size_t resident(const struct batch *b)
{
	static unsigned char pages[(MAX_BYTES >> 12) + 1];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	char *from = (char *)(((size_t)b->buf.data + page - 1) & ~(page - 1));

	CHECK(!mincore(from, MAX_BYTES - page, pages), "mincore");
	for (size_t i = 0; i < MAX_BYTES / page - 1; i++)
		n += (pages[i] & 1) * page;
	return n;
}

static void fill(struct batch *b, size_t bytes)
{
	static union record r;
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	view = record_view(&r);
	batch_reset(b);
	while (b->buf.length < bytes)
		CHECK(batch_add(b, &view, NULL), "it does not fit");
}

TEST(unit, batch_gives_memory_back)
{
	struct batch b;

	REQUIRE(!batch_init(&b, MAX_BYTES), "no memory");
	fill(&b, 6 << 20);
	batch_written(&b, 10 * NS_PER_S, NS_PER_S);
	CHECK(resident(&b) >= 6 << 20, "given back while in use");
	fill(&b, 1000);
	batch_written(&b, 11 * NS_PER_S, NS_PER_S);
	CHECK(resident(&b) >= 6 << 20, "given back at once");
	fill(&b, 1 << 20);
	batch_written(&b, 12 * NS_PER_S, NS_PER_S);
	fill(&b, 1000);
	batch_written(&b, 13 * NS_PER_S, NS_PER_S);
	CHECK(resident(&b) >= 6 << 20, "given back a second after it was needed");
	batch_written(&b, 13 * NS_PER_S + 1, NS_PER_S);
	CHECK(resident(&b) <= 1 << 20, "%zu bytes are kept", resident(&b));
	fill(&b, 6 << 20);
	CHECK(b.buf.data[b.buf.length - 1] == '\n' && b.events.count, "not as before");
	batch_free(&b);
}
