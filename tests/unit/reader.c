/* SPDX-License-Identifier: Apache-2.0 */
/* A record that waits for its identity is counted and learnt from once, whatever comes meanwhile. */
#include "collect/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/pipeline.h"
#include "tests/record.h"
#include "tests/test.h"

#define DATA 65536u

/* A ring buffer as the kernel maps it: its header is 8 bytes, the length first. */
struct ring {
	uint64_t consumed, produced;
	char data[DATA] __attribute__((aligned(8)));
};

static struct ring rings[2];
static struct queue queues[2];
static struct transport transport = { .queues = queues, .nqueues = 2, .readers_fd = -1, .epoll_fd = -1 };

static void rings_open(void)
{
	memset(rings, 0, sizeof(rings));
	for (unsigned i = 0; i < 2; i++)
		queues[i] = (struct queue){ .fd = -1, .ring = (uint8_t)i, .pages = &rings[i].consumed,
					    .produced = &rings[i].produced, .data = rings[i].data,
					    .data_bytes = DATA };
}

static void produce(unsigned ring, uint64_t ts_ns, uint64_t number)
{
	char *at = rings[ring].data + rings[ring].produced;
	struct tapio_process_fork fork = { .ev = { .ts_ns = ts_ns, .number = number, .ring = (__u8)ring,
						   .sensor = TAPIO_SENSOR_PROCESS, .type = TAPIO_EV_PROCESS_FORK,
						   .size = sizeof(fork) } };
	uint32_t length = sizeof(fork);

	memcpy(at, &length, sizeof(length));
	memcpy(at + 8, &fork, sizeof(fork));
	rings[ring].produced += 8 + (sizeof(fork) + 7) / 8 * 8;
}

static unsigned observed, waits;

static void observe(struct identifier *identifier, const struct event_view *view)
{
	(void)identifier;
	(void)view;
	observed++;
}

static int identify(struct identifier *identifier, const struct event_view *view, const struct event_identity **ret)
{
	static const struct event_identity nobody;

	(void)identifier;
	(void)view;
	*ret = &nobody;
	return waits && waits-- ? -EAGAIN : 0;
}

static int take(void *arg, const void *data, size_t size, uint64_t ts_boot_ns)
{
	return pipeline_record(arg, data, size, ts_boot_ns);
}

TEST(unit, reader_held_record_comes_first)
{
	struct identifier identifier = { .observe = observe, .identify = identify };
	struct reader reader;
	struct pipeline p;

	rings_open();
	REQUIRE(!reader_open(&reader, &transport), "no memory");
	pipeline_init(&p);
	p.identifier = &identifier;
	produce(0, 1000, 8);
	waits = 1;
	CHECK(reader_drain(&reader, true, take, &p) == 0 && reader.held, "not held");
	/* from another CPU, older, and it has to wait too */
	produce(1, 900, 16);
	waits = 1;
	for (unsigned i = 0; i < 5; i++)
		reader_drain(&reader, true, take, &p);
	CHECK(!reader.held && p.events == 2, "%llu events", (unsigned long long)p.events);
	CHECK(observed == 2 && p.received[TAPIO_SENSOR_PROCESS] == 2, "%u learnt from, %llu received of 2 records",
	      observed, (unsigned long long)p.received[TAPIO_SENSOR_PROCESS]);
	pipeline_close(&p);
	reader_close(&reader);
}
