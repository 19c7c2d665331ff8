/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a correlator makes: nobody gives them again, so none may be held. */
#include <errno.h>

#include "pipeline/pipeline.h"
#include "tests/record.h"
#include "tests/test.h"

static const struct event_identity late = { .reason = IDENTITY_LATE };

static void observe(struct identifier *identifier, const struct event_view *view)
{
	(void)identifier;
	(void)view;
}

static int still_asking(struct identifier *identifier, const struct event_view *view, const struct event_identity **ret)
{
	(void)identifier;
	(void)view;
	(void)ret;
	return -EAGAIN;
}

static int answer_now(struct identifier *identifier, const struct event_view *view, const struct event_identity **ret)
{
	(void)identifier;
	(void)view;
	*ret = &late;
	return 0;
}

static struct identifier identifier = { .observe = observe, .identify = still_asking, .identify_now = answer_now };

/* Makes one timeout each time. */
static void advance(struct correlator *c, uint64_t now_ns)
{
	union record r;

	(void)now_ns;
	record_begin(&r, TAPIO_EV_DNS_TIMEOUT);
	c->made(c->arg, &r.ev);
}

static void close_correlator(struct correlator *c)
{
	(void)c;
}

static struct {
	struct event_sink sink;
	unsigned n, reason;
} seen;

static int count(struct event_sink *sink, const struct event_view *view)
{
	(void)sink;
	seen.n++;
	seen.reason = view->who ? view->who->reason : 0;
	return 0;
}

static int flush(struct event_sink *sink)
{
	(void)sink;
	return 0;
}

static void close_sink(struct event_sink *sink)
{
	(void)sink;
}

TEST(unit, pipeline_made_events_do_not_wait)
{
	struct correlator correlator = { .advance = advance, .close = close_correlator };
	struct pipeline p;

	seen.sink = (struct event_sink){ .write = count, .flush = flush, .close = close_sink };
	pipeline_init(&p);
	p.identifier = &identifier;
	pipeline_add_sink(&p, &seen.sink);
	pipeline_add_correlator(&p, &correlator);
	pipeline_advance(&p, 1);
	CHECK(seen.n == 1 && seen.reason == IDENTITY_LATE, "%u events, reason %u", seen.n, seen.reason);
	pipeline_close(&p);
}
