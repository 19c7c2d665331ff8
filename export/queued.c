/* SPDX-License-Identifier: Apache-2.0 */
#include "export/queued.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/batch.h"
#include "export/json.h"

#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_S
#define IDLE_NS NS_PER_S              /* after which the memory of a burst is given back; and of smaller batches */
#define LEFT_BEHIND_NS (NS_PER_S / 5) /* for a thread to come back after the deadline */
#define OWN_BYTES 16384u              /* for one line of our own */

struct queued {
	struct event_sink sink;
	struct writer *writer;
	char *name;
	struct text_options text_options;
	const struct text_options *text; /* NULL: JSON */
	bool end_on_pipe;
	uint64_t retry_ns, close_ns;
	int stop_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* held for the formatting of one event, or less */
	pthread_cond_t work;
	/* under the lock */
	struct batch batches[2];
	struct batch *filling; /* the other one is the thread's */
	size_t writing_bytes;    /* of the thread's batch, not yet written */
	uint64_t writing_events;
	struct sink_stats stats;
	bool ready;  /* the filling batch is to be written */
	bool asleep; /* the thread waits for that */
	bool started, stopping, finished, left_behind, closed;
	bool reader_left;

	/* the thread's own */
	struct gap owed[SINK_DROPS]; /* not yet told of in the stream */
	struct buf own;
	bool header_due;
	uint64_t pause_ns;
};

/* ---- the thread that gives events; all under the lock ---- */

static void refuse(struct queued *q, struct batch *b, uint64_t wall_ns)
{
	enum sink_drop why = q->stats.error || q->stopping ? SINK_DROP_FAILED : SINK_DROP_QUEUE_FULL;

	q->stats.dropped[why]++;
	batch_refuse(b, why, wall_ns);
}

static void wake(struct queued *q)
{
	q->ready = true;
	if (q->asleep)
		pthread_cond_signal(&q->work);
	q->asleep = false;
}

static int queued_write(struct event_sink *sink, const struct event_view *view)
{
	struct queued *q = (struct queued *)sink;
	struct batch *b;
	int err;

	pthread_mutex_lock(&q->lock);
	b = q->filling;
	if (q->stopping || !batch_add(b, view, q->text))
		refuse(q, b, view->wall_ns);
	if ((b->full || b->buf.length >= b->max_bytes / 2) && !q->ready)
		wake(q);
	err = q->reader_left && q->end_on_pipe ? -EPIPE : 0;
	pthread_mutex_unlock(&q->lock);
	return err;
}

static int queued_flush(struct event_sink *sink)
{
	struct queued *q = (struct queued *)sink;
	int err;

	pthread_mutex_lock(&q->lock);
	if (!q->ready && !batch_is_empty(q->filling))
		wake(q);
	err = q->reader_left && q->end_on_pipe ? -EPIPE : 0;
	pthread_mutex_unlock(&q->lock);
	return err;
}

static void queued_stats(const struct event_sink *sink, struct sink_stats *ret)
{
	struct queued *q = (struct queued *)sink;

	pthread_mutex_lock(&q->lock);
	*ret = q->stats;
	ret->queue_bytes = q->filling->buf.length + q->writing_bytes;
	ret->queue_events = q->filling->events.count + q->writing_events;
	pthread_mutex_unlock(&q->lock);
}

/* ---- the thread that writes ---- */

/* Waits under the lock; true when the time is over. */
static bool wait_ns(struct queued *q, uint64_t ns)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + ns;
	struct timespec ts = { (time_t)(until / NS_PER_S), (long)(until % NS_PER_S) };

	return pthread_cond_clockwait(&q->work, &q->lock, CLOCK_MONOTONIC, &ts) == ETIMEDOUT;
}

static void set_error(struct queued *q, int err)
{
	if (err == -ECANCELED)
		return;
	pthread_mutex_lock(&q->lock);
	q->stats.error = -err;
	q->reader_left = q->reader_left || err == -EPIPE;
	pthread_mutex_unlock(&q->lock);
}

/* One line of our own; all of it or nothing is written. */
static int own_write(struct queued *q)
{
	size_t written = 0;
	int err = q->writer->write(q->writer, q->own.data, q->own.length, &written);

	pthread_mutex_lock(&q->lock);
	q->stats.bytes += written;
	pthread_mutex_unlock(&q->lock);
	return err;
}

static int gap_write(struct queued *q, struct gap *gap, unsigned cause)
{
	const struct tapio_lost lost = {
		.ev = { .ts_ns = clock_ns(CLOCK_BOOTTIME), .size = sizeof(lost), .type = TAPIO_EV_LOST },
		.count = gap->count,
		.interval_ns = gap->last_ns - gap->first_ns,
		.cause.value = cause,
	};
	const struct event_view view = { .ev = &lost.ev,
					 .desc = event_desc_by_type(TAPIO_EV_LOST),
					 .wall_ns = gap->last_ns };
	int err;

	if (!gap->count)
		return 0;
	buf_reset(&q->own);
	if (q->text)
		text_event(&q->own, &view, q->text);
	else
		json_event(&q->own, &view);
	err = own_write(q);
	if (!err)
		*gap = (struct gap){ 0 };
	return err;
}

/* What has to be in the stream before the next event. */
static int owed_write(struct queued *q)
{
	int err = 0;

	if (q->header_due) {
		buf_reset(&q->own);
		text_header(&q->own, q->text);
		err = own_write(q);
		q->header_due = err != 0;
	}
	if (!err)
		err = gap_write(q, &q->owed[SINK_DROP_FAILED], TAPIO_CAUSE_SINK_FAILED);
	if (!err)
		err = gap_write(q, &q->owed[SINK_DROP_QUEUE_FULL], TAPIO_CAUSE_SINK_FULL);
	return err;
}

static bool owes(const struct queued *q)
{
	return q->owed[SINK_DROP_FAILED].count || q->owed[SINK_DROP_QUEUE_FULL].count;
}

static uint64_t lines_in(const char *data, size_t n)
{
	const char *end = data + n;
	uint64_t lines = 0;

	while (data < end && (data = memchr(data, '\n', (size_t)(end - data)))) {
		lines++;
		data++;
	}
	return lines;
}

/* What is left of the batch. */
static int events_write(struct queued *q, const struct batch *b)
{
	size_t left, written = 0;
	const char *data;
	uint64_t events;
	int err;

	pthread_mutex_lock(&q->lock);
	left = q->writing_bytes;
	pthread_mutex_unlock(&q->lock);
	data = b->buf.data + b->buf.length - left;
	err = left ? q->writer->write(q->writer, data, left, &written) : 0;
	events = lines_in(data, written);
	pthread_mutex_lock(&q->lock);
	if (!q->left_behind) {
		q->writing_bytes -= written;
		q->writing_events -= events;
		q->stats.bytes += written;
		q->stats.events += events;
	}
	pthread_mutex_unlock(&q->lock);
	return err;
}

static void rest_drop(struct queued *q, const struct batch *b)
{
	struct gap rest = b->events; /* the times are those of the whole batch: no event's is left out */

	pthread_mutex_lock(&q->lock);
	rest.count = q->writing_events;
	q->stats.dropped[SINK_DROP_FAILED] += rest.count;
	gap_add(&q->owed[SINK_DROP_FAILED], &rest);
	q->writing_bytes = q->writing_events = 0;
	pthread_mutex_unlock(&q->lock);
}

/* After a failure; longer each time, until something succeeds. */
static void pause_after_failure(struct queued *q)
{
	pthread_mutex_lock(&q->lock);
	if (!q->stopping)
		wait_ns(q, q->pause_ns);
	pthread_mutex_unlock(&q->lock);
	q->pause_ns = q->pause_ns * 2 < PAUSE_MAX_NS ? q->pause_ns * 2 : PAUSE_MAX_NS;
}

static bool is_stopping(struct queued *q)
{
	bool stopping;

	pthread_mutex_lock(&q->lock);
	stopping = q->stopping;
	pthread_mutex_unlock(&q->lock);
	return stopping;
}

static void batch_write(struct queued *q, struct batch *b)
{
	uint64_t since = clock_ns(CLOCK_MONOTONIC);
	bool stopping;
	int err;

	for (;;) {
		stopping = is_stopping(q); /* asked before the attempt: one more is made after it */
		err = owed_write(q);
		if (!err)
			err = events_write(q, b);
		set_error(q, err);
		if (!err)
			break;
		if (stopping || clock_ns(CLOCK_MONOTONIC) - since >= q->retry_ns) {
			rest_drop(q, b);
			break;
		}
		pause_after_failure(q);
	}
	if (!err)
		q->pause_ns = PAUSE_MIN_NS;
	for (unsigned i = 0; i < SINK_DROPS; i++)
		gap_add(&q->owed[i], &b->refused[i]);
	if (!err)
		set_error(q, owed_write(q));
}

/* Waits under the lock for something to do; true when there is a gap to be told of once more. */
static bool sleep_until_ready(struct queued *q)
{
	struct batch *spare = &q->batches[q->filling == q->batches];

	q->asleep = true;
	if (owes(q))
		return wait_ns(q, q->pause_ns) && !q->ready;
	if (!batch_is_fat(spare)) {
		pthread_cond_wait(&q->work, &q->lock);
	} else if (wait_ns(q, IDLE_NS) && !q->ready) {
		pthread_mutex_unlock(&q->lock); /* it stays ours: nobody else swaps them */
		batch_trim(spare);
		pthread_mutex_lock(&q->lock);
	}
	return false;
}

/* Sleeps until there is something to write. NULL: nothing comes any more, or only gaps are owed. */
static struct batch *batch_take(struct queued *q)
{
	struct batch *b;

	pthread_mutex_lock(&q->lock);
	while (!q->ready && !q->stopping && !sleep_until_ready(q))
		;
	q->asleep = q->ready = false;
	b = q->filling;
	if (batch_is_empty(b)) {
		b = NULL;
	} else {
		q->writing_bytes = b->buf.length;
		q->writing_events = b->events.count;
		q->filling = &q->batches[b == q->batches];
		batch_reset(q->filling);
	}
	pthread_mutex_unlock(&q->lock);
	return b;
}

static void queued_free(struct queued *q)
{
	if (q->writer)
		q->writer->close(q->writer);
	if (q->stop_fd >= 0)
		close(q->stop_fd);
	for (unsigned i = 0; i < 2; i++)
		batch_free(&q->batches[i]);
	buf_free(&q->own);
	free(q->name);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->work);
	free(q);
}

static void owed_again(struct queued *q)
{
	int err = owed_write(q);

	set_error(q, err);
	if (err)
		q->pause_ns = q->pause_ns * 2 < PAUSE_MAX_NS ? q->pause_ns * 2 : PAUSE_MAX_NS;
	else
		q->pause_ns = PAUSE_MIN_NS;
}

static void *queued_run(void *arg)
{
	struct queued *q = arg;
	bool stopping, last;
	struct batch *b;

	do {
		stopping = is_stopping(q);
		b = batch_take(q);
		if (b) {
			batch_write(q, b);
			batch_written(b, clock_ns(CLOCK_MONOTONIC), IDLE_NS);
		} else if (owes(q)) {
			owed_again(q);
		}
	} while (b || !stopping);
	pthread_mutex_lock(&q->lock);
	q->finished = true;
	last = q->closed;
	pthread_mutex_unlock(&q->lock);
	if (last)
		queued_free(q);
	return NULL;
}

/* ---- from the beginning to the end ---- */

/* Under the lock: nobody will write it. */
static void drop_queued(struct queued *q)
{
	q->stats.dropped[SINK_DROP_FAILED] += q->filling->events.count + q->writing_events;
	q->writing_bytes = q->writing_events = 0;
	batch_reset(q->filling);
}

void queued_stop(struct event_sink *sink)
{
	struct queued *q = (struct queued *)sink;
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + q->close_ns, join = deadline + LEFT_BEHIND_NS;
	struct timespec ts = { (time_t)(join / NS_PER_S), (long)(join % NS_PER_S) };
	bool first, left_behind;

	pthread_mutex_lock(&q->lock);
	first = !q->stopping;
	q->stopping = true;
	__atomic_store_n(&q->writer->deadline_ns, deadline, __ATOMIC_RELEASE);
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
	if (!first)
		return;
	eventfd_write(q->stop_fd, 1);
	left_behind = q->started && pthread_clockjoin_np(q->thread, NULL, CLOCK_MONOTONIC, &ts);
	if (left_behind)
		pthread_detach(q->thread);
	pthread_mutex_lock(&q->lock);
	q->left_behind = left_behind;
	drop_queued(q);
	pthread_mutex_unlock(&q->lock);
}

static void queued_close(struct event_sink *sink)
{
	struct queued *q = (struct queued *)sink;
	bool mine;

	if (!q)
		return;
	queued_stop(sink);
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	mine = !q->left_behind || q->finished;
	pthread_mutex_unlock(&q->lock);
	if (mine)
		queued_free(q);
}

int queued_start(struct event_sink *sink)
{
	struct queued *q = (struct queued *)sink;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&q->thread, NULL, queued_run, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	pthread_setname_np(q->thread, "tapio-sink");
	q->started = true;
	return 0;
}

static bool buffers_make(struct queued *q, size_t max)
{
	q->own.max = OWN_BYTES;
	return buf_room(&q->own, OWN_BYTES) && !batch_init(&q->batches[0], max / 2) &&
	       !batch_init(&q->batches[1], max / 2);
}

static void options_take(struct queued *q, const struct queued_options *opts)
{
	if (opts->text) {
		q->text_options = *opts->text;
		q->text = &q->text_options;
		q->header_due = true;
	}
	q->end_on_pipe = opts->end_on_pipe;
	q->retry_ns = opts->retry_ns;
	q->close_ns = opts->close_ns;
}

struct event_sink *queued_open(const struct queued_options *opts, struct writer *writer)
{
	size_t max = opts->max_bytes > QUEUED_MIN_BYTES ? opts->max_bytes : QUEUED_MIN_BYTES;
	struct queued *q = calloc(1, sizeof(*q));

	if (!q) {
		writer->close(writer);
		return NULL;
	}
	if (max > QUEUED_MAX_BYTES)
		max = QUEUED_MAX_BYTES;
	q->sink = (struct event_sink){ .write = queued_write, .flush = queued_flush,
				       .stats = queued_stats, .close = queued_close };
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	options_take(q, opts);
	q->writer = writer;
	q->filling = q->batches;
	q->pause_ns = PAUSE_MIN_NS;
	q->name = strdup(opts->name);
	q->stats.name = q->name;
	q->stats.queue_max_bytes = max;
	q->stop_fd = writer->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->name && q->stop_fd >= 0 && buffers_make(q, max))
		return &q->sink;
	queued_free(q);
	return NULL;
}
