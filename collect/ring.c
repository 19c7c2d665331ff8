/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/ring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event/event.h"

/* ---- BPF ring buffer: kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst ---- */

/* Read-only for us: producer position, then the data pages, mapped twice in a row. */
static int ring_map(struct queue *q, int map_fd, size_t page)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(map_fd, &info, &length))
		return -errno;
	q->pages = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (q->pages == MAP_FAILED) {
		q->pages = NULL;
		return -errno;
	}
	q->pages_bytes = page;
	q->data_bytes = info.max_entries;
	q->produced = mmap(NULL, page + 2 * q->data_bytes, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (q->produced == MAP_FAILED) {
		int err = -errno;

		munmap(q->pages, page);
		q->pages = NULL;
		return err;
	}
	q->data = (char *)q->produced + page;
	return 0;
}

int queue_open_ring(struct queue *q, int map_fd, uint8_t ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	memset(q, 0, sizeof(*q));
	q->fd = map_fd;
	q->ring = ring;
	err = ring_map(q, map_fd, page);
	if (err)
		return err;
	q->position = q->released = __atomic_load_n((uint64_t *)q->pages, __ATOMIC_ACQUIRE);
	return 0;
}

static uint64_t ring_produced(const struct queue *q)
{
	return __atomic_load_n((const uint64_t *)q->produced, __ATOMIC_ACQUIRE);
}

static const char *ring_at(const struct queue *q, uint64_t position)
{
	return (const char *)q->data + (position & (q->data_bytes - 1));
}

static uint64_t ring_step(uint32_t header)
{
	uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	return (length + BPF_RINGBUF_HDR_SZ + 7u) & ~7ull;
}

static bool ring_peek(struct queue *q, uint64_t *ret_ts_ns, uint16_t *ret_flags)
{
	uint64_t produced = ring_produced(q);

	while (q->position < produced) {
		const char *at = ring_at(q, q->position);
		uint32_t header = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
		const struct tapio_event *ev = (const void *)(at + BPF_RINGBUF_HDR_SZ);

		if (header & BPF_RINGBUF_BUSY_BIT)
			return false;
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			*ret_ts_ns = header >= sizeof(*ev) ? ev->ts_ns : 0;
			*ret_flags = header >= sizeof(*ev) ? ev->flags : 0;
			return true;
		}
		q->position += ring_step(header);
	}
	return false;
}

static struct piece ring_take(struct queue *q)
{
	const char *at = ring_at(q, q->position);
	uint32_t header = *(const uint32_t *)at;

	q->position += ring_step(header);
	return (struct piece){ at + BPF_RINGBUF_HDR_SZ, header };
}

/* ---- perf buffer: perf_event_open(2), "MMAP layout" ---- */

int queue_open_perf(struct queue *q, int map_fd, uint8_t ring, unsigned cpu, size_t bytes, bool bell)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_BPF_OUTPUT,
					.size = sizeof(attr),
					.sample_type = PERF_SAMPLE_RAW,
					.sample_period = 1 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	memset(q, 0, sizeof(*q));
	q->perf = true;
	q->ring = ring;
	q->cpu = cpu;
	q->bell = bell;
	attr.watermark = !bell;
	if (bell)
		attr.wakeup_events = 1;
	else
		attr.wakeup_watermark = (uint32_t)(bytes / 2);
	q->fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (q->fd < 0)
		return -errno;
	q->pages_bytes = page + bytes;
	q->pages = mmap(NULL, q->pages_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd, 0);
	if (q->pages == MAP_FAILED) {
		err = -errno;
		q->pages = NULL;
		goto close_event;
	}
	q->data = (char *)q->pages + page;
	q->data_bytes = bytes;
	if (bpf_map_update_elem(map_fd, &cpu, &q->fd, BPF_ANY) || ioctl(q->fd, PERF_EVENT_IOC_ENABLE, 0)) {
		err = -errno;
		goto unmap;
	}
	return 0;
unmap:
	munmap(q->pages, q->pages_bytes);
	q->pages = NULL;
close_event:
	close(q->fd);
	q->fd = -1;
	return err;
}

static void perf_copy(const struct queue *q, uint64_t position, void *to, size_t n)
{
	size_t at = position & (q->data_bytes - 1), first = q->data_bytes - at;

	if (first > n)
		first = n;
	memcpy(to, (const char *)q->data + at, first);
	memcpy((char *)to + first, q->data, n - first);
}

/* What lies at the head: a sample {header, u32 size, data} or a count of lost ones. */
struct perf_sample {
	struct perf_event_header header;
	uint32_t size;
} __attribute__((packed));

static bool perf_peek(struct queue *q, uint64_t *ret_ts_ns, uint16_t *ret_flags)
{
	struct perf_event_mmap_page *page = q->pages;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);

	while (q->position < head) {
		struct perf_sample sample;
		struct tapio_event ev;
		uint64_t lost;

		perf_copy(q, q->position, &sample, sizeof(sample));
		if (sample.header.type == PERF_RECORD_SAMPLE &&
		    sample.header.size >= sizeof(sample) + sizeof(ev)) {
			perf_copy(q, q->position + sizeof(sample), &ev, sizeof(ev));
			*ret_ts_ns = ev.ts_ns;
			*ret_flags = ev.flags;
			return true;
		}
		if (sample.header.type == PERF_RECORD_LOST) {
			/* {header, u64 id, u64 lost} */
			perf_copy(q, q->position + sizeof(sample.header) + sizeof(lost), &lost, sizeof(lost));
			q->perf_lost += lost;
		}
		if (sample.header.size < sizeof(sample.header)) /* not the kernel's format: give up on the batch */
			q->position = head;
		else
			q->position += sample.header.size;
	}
	return false;
}

static struct piece perf_take(struct queue *q, void *scratch)
{
	struct perf_sample sample;
	size_t n;

	perf_copy(q, q->position, &sample, sizeof(sample));
	n = sample.header.size - sizeof(sample);
	if (n > sample.size)
		n = sample.size;
	perf_copy(q, q->position + sizeof(sample), scratch, n);
	q->position += sample.header.size;
	return (struct piece){ scratch, n };
}

/* ---- both ---- */

void queue_close(struct queue *q)
{
	if (!q || !q->pages)
		return;
	if (!q->perf)
		munmap(q->produced, q->pages_bytes + 2 * q->data_bytes);
	munmap(q->pages, q->pages_bytes);
	if (q->perf)
		close(q->fd);
	memset(q, 0, sizeof(*q));
	q->fd = -1;
}

bool queue_peek(struct queue *q, uint64_t *ret_ts_ns, uint16_t *ret_flags)
{
	return q->perf ? perf_peek(q, ret_ts_ns, ret_flags) : ring_peek(q, ret_ts_ns, ret_flags);
}

struct piece queue_take(struct queue *q, void *scratch)
{
	return q->perf ? perf_take(q, scratch) : ring_take(q);
}

void queue_release(struct queue *q)
{
	if (q->released == q->position)
		return;
	if (q->perf)
		__atomic_store_n(&((struct perf_event_mmap_page *)q->pages)->data_tail, q->position,
				 __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint64_t *)q->pages, q->position, __ATOMIC_RELEASE);
	q->released = q->position;
}

size_t queue_fill(const struct queue *q)
{
	if (q->perf)
		return __atomic_load_n(&((struct perf_event_mmap_page *)q->pages)->data_head,
				       __ATOMIC_ACQUIRE) - q->position;
	return ring_produced(q) - q->position;
}
