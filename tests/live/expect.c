/* SPDX-License-Identifier: Apache-2.0 */
/* What the fields of a record must be, as far as the tier says that it gives them. */
#include "tests/live/harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

const struct event_field *live_field(const struct event_view *view, const char *name, unsigned *ret_index)
{
	int i = event_field_index(view->desc, name);

	REQUIRE(i >= 0, "event %s has no field %s", view->desc->name, name);
	*ret_index = (unsigned)i;
	return (unsigned)i < event_ncommon ? &event_common[i] : &view->desc->fields[(unsigned)i - event_ncommon];
}

bool live_has(const struct event_view *view, const char *name)
{
	unsigned index;
	const struct event_field *field = live_field(view, name, &index);

	return event_has(view, field, index);
}

enum giving live_giving(const struct live *l, const struct event_view *view, const char *name)
{
	return tier_gives(l->tier, view->desc, name);
}

/* The field, if there is something to compare. `wanted`: it must have a value, else it must not. */
static const struct event_field *given(const struct live *l, const struct event_view *view, const char *name,
				       bool wanted)
{
	const struct event_field *field;
	unsigned index;
	bool has;

	if (!view || live_giving(l, view, name) == GIVES_NOTHING)
		return NULL;
	field = live_field(view, name, &index);
	has = event_has(view, field, index);
	CHECK(has == wanted, "%s: %s: %s has %s value", l->name, view->desc->name, name, has ? "a" : "no");
	return has && wanted ? field : NULL;
}

void expect_none(const struct live *l, const struct event_view *view, const char *name)
{
	given(l, view, name, false);
}

void expect_between(const struct live *l, const struct event_view *view, const char *name, int64_t low,
		    int64_t high)
{
	const struct event_field *field = given(l, view, name, true);
	int64_t got = field ? event_number(view, field) : 0;

	CHECK(!field || (got >= low && got <= high),
	      "%s: %s of %u: %s is %" PRId64 ", not %" PRId64 " to %" PRId64, l->name, view->desc->name,
	      view->ev->tgid, name, got, low, high);
}

/* Whether a number stands for "unknown" or "none" in this field. */
static bool says_none(const struct event_field *field, int64_t value)
{
	return ((field->flags & (OMIT_ZERO | OMIT_FALSE)) && !value) ||
	       ((field->flags & OMIT_NEGATIVE) && value < 0) || ((field->flags & OMIT_ONES) && value == -1);
}

void expect_number(const struct live *l, const struct event_view *view, const char *name, int64_t want)
{
	const struct event_field *field;
	unsigned index;
	int64_t got;

	if (!view)
		return;
	field = live_field(view, name, &index);
	field = given(l, view, name, !says_none(field, want));
	got = field ? event_number(view, field) : 0;

	CHECK(!field || got == want, "%s: %s of %u: %s is %" PRId64 ", not %" PRId64, l->name, view->desc->name,
	      view->ev->tgid, name, got, want);
}

void expect_ticks(const struct live *l, const struct event_view *view, const char *name, uint64_t ticks)
{
	const struct event_field *field = given(l, view, name, true);
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK), got;

	if (!field)
		return;
	got = (uint64_t)event_number(view, field);
	CHECK(got / tick_ns == ticks, "%s: %s of %u: %s is %" PRIu64 " ns: tick %" PRIu64 ", not %" PRIu64,
	      l->name, view->desc->name, view->ev->tgid, name, got, got / tick_ns, ticks);
}

/* Where two byte strings differ, for a message. */
static size_t first_difference(const char *a, size_t na, const char *b, size_t nb)
{
	size_t i = 0;

	while (i < na && i < nb && a[i] == b[i])
		i++;
	return i;
}

static void compare(const struct live *l, const struct event_view *view, const char *name, struct bytes got,
		    const char *want, size_t n)
{
	size_t at = first_difference(got.data, got.length, want, n);
	int shown = (int)strnlen(got.data, got.length < 200 ? got.length : 200);
	int wanted = (int)strnlen(want, n < 200 ? n : 200);

	CHECK(got.length == n && at == n, "%s: %s of %u: %s: %zu bytes \"%.*s\", not %zu bytes \"%.*s\": differs at %zu",
	      l->name, view->desc->name, view->ev->tgid, name, got.length, shown, got.data, n, wanted, want, at);
}

void expect_bytes(const struct live *l, const struct event_view *view, const char *name, const void *want,
		  size_t n)
{
	const struct event_field *field = given(l, view, name, n);
	const char *at;

	if (!field)
		return;
	at = (const char *)view->ev + field->offset;
	if (field->kind == KIND_COMM)
		compare(l, view, name, (struct bytes){ at, strnlen(at, TAPIO_COMM_LEN) }, want, n);
	else
		compare(l, view, name, event_str(view, field), want, n);
}

void expect_text(const struct live *l, const struct event_view *view, const char *name, const char *want)
{
	expect_bytes(l, view, name, want, strlen(want));
}

void expect_path(const struct live *l, const struct event_view *view, const char *name, const char *want)
{
	const struct event_field *field = given(l, view, name, *want);
	static char path[EVENT_PATH_BUF];

	if (field)
		compare(l, view, name, (struct bytes){ path, event_path(view, field, path) }, want, strlen(want));
}
