/* SPDX-License-Identifier: Apache-2.0 */
/* Which events are wanted, by whom they are about. */
#include "pipeline/select.h"

#include <string.h>
#include "pipeline/pipeline.h"
#include "tests/record.h"
#include "tests/test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct event_identity cart = { .container_id = ID,
					    .container_name = "cart",
					    .pod_container = "cart",
					    .pod_name = "cart-0",
					    .pod_namespace = "shop" };
static const struct event_identity nginx = { .unit = "nginx.service", .slice = "system.slice" };
static const struct event_identity of_user = { .unit = "user@1000.service", .user_unit = "app.service" };
static const struct event_identity impostor = { .container_id = ID, .unit = "nginx.service" };
static const struct event_identity late = { .container_id = ID, .reason = IDENTITY_LATE };

static bool wanted(const struct selector *s, const struct event_identity *who)
{
	union record r;
	struct event_view view;

	record_begin(&r, TAPIO_EV_PROCESS_FORK);
	memset(r.ev.comm, 0, sizeof(r.ev.comm));
	memcpy(r.ev.comm, "sh", 2);
	view = record_view(&r);
	view.who = who;
	return select_event(s, &view);
}

TEST(unit, select_by_each_kind)
{
	static const struct {
		enum select_kind kind;
		const char *value;
		bool cart, nginx, of_user;
	} rows[] = {
		{ SELECT_NAMESPACE, "shop", true, false, false },
		{ SELECT_NAMESPACE, "sho", false, false, false },
		{ SELECT_NAMESPACE, "shops", false, false, false },
		{ SELECT_POD, "shop/cart-0", true, false, false },
		{ SELECT_POD, "shop/cart-", false, false, false },
		{ SELECT_POD, "shop/cart-00", false, false, false },
		{ SELECT_POD, "cart-0", false, false, false },
		{ SELECT_CONTAINER, ID, true, false, false },
		{ SELECT_CONTAINER, "0123456789ab", true, false, false },
		{ SELECT_CONTAINER, "0123456789a", false, false, false },
		{ SELECT_CONTAINER, "0123456789ac", false, false, false },
		{ SELECT_CONTAINER, "cart", true, false, false },
		{ SELECT_UNIT, "nginx.service", false, true, false },
		{ SELECT_UNIT, "nginx", false, false, false },
		{ SELECT_UNIT, "app.service", false, false, true },
		{ SELECT_UNIT, "user@1000.service", false, false, true },
		{ SELECT_COMM, "sh", true, true, true },
		{ SELECT_COMM, "s", false, false, false },
		{ SELECT_COMM, "bash", false, false, false },
		{ SELECT_PATH, "/", false, false, false }, /* a fork has no path */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct selector s = { .ninclude = 0 };

		CHECK(!select_any(&s) && wanted(&s, &cart) && wanted(&s, NULL), "no selection");
		CHECK(!select_want(&s, rows[i].kind, rows[i].value) && select_any(&s), "%s", rows[i].value);
		CHECK(wanted(&s, &cart) == rows[i].cart && wanted(&s, &nginx) == rows[i].nginx &&
			      wanted(&s, &of_user) == rows[i].of_user,
		      "kind %d, %s", rows[i].kind, rows[i].value);
		CHECK(wanted(&s, NULL) == (rows[i].kind == SELECT_COMM && rows[i].cart),
		      "kind %d, %s: of nobody known", rows[i].kind, rows[i].value);
	}
}

TEST(unit, select_kinds_and_values)
{
	struct selector s = { .ninclude = 0 };

	select_want(&s, SELECT_NAMESPACE, "other");
	select_want(&s, SELECT_NAMESPACE, "shop");
	CHECK(wanted(&s, &cart), "any value of a kind");
	select_want(&s, SELECT_COMM, "bash");
	CHECK(!wanted(&s, &cart), "all kinds");
	for (unsigned i = 0; i < SELECT_RULES_MAX - 1; i++)
		CHECK(!select_want(&s, SELECT_COMM, "x"), "value %u", i);
	CHECK(select_want(&s, SELECT_COMM, "x"), "more values than fit");
}

/* What a container calls a unit is no reason to tell, or not to tell, of it. */
TEST(unit, select_unit_in_a_container)
{
	struct selector s = { .exclude = { { { [SELECT_UNIT] = "nginx.service" } } }, .nexclude = 1 };

	CHECK(!wanted(&s, &nginx) && wanted(&s, &impostor), "exclude");
	s = (struct selector){ .ninclude = 0 };
	select_want(&s, SELECT_UNIT, "nginx.service");
	CHECK(wanted(&s, &nginx) && !wanted(&s, &impostor), "want");
}

TEST(unit, select_rules)
{
	struct selector s = { .include = { { { [SELECT_NAMESPACE] = "shop" } },
					   { { [SELECT_UNIT] = "nginx.service", [SELECT_COMM] = "bash" } } },
			      .ninclude = 2 };

	CHECK(wanted(&s, &cart) && !wanted(&s, &nginx) && !wanted(&s, &of_user), "include");
	s.exclude[s.nexclude++] = (struct select_rule){ { [SELECT_POD] = "shop/cart-0", [SELECT_COMM] = "runc" } };
	CHECK(wanted(&s, &cart), "a rule of which one part does not match");
	s.exclude[s.nexclude++] = (struct select_rule){ { [SELECT_COMM] = "sh" } };
	CHECK(!wanted(&s, &cart), "exclude goes before include");
}

/* What the kernel is told not to send must never become wanted. */
TEST(unit, select_never)
{
	struct selector s = { .ninclude = 0 };

	select_want(&s, SELECT_NAMESPACE, "shop");
	CHECK(select_never(&s, &nginx) && !select_never(&s, &cart), "by namespace");
	CHECK(!select_never(&s, &late), "its names may still come");
	select_want(&s, SELECT_COMM, "bash");
	CHECK(!select_never(&s, &cart) && select_never(&s, &nginx), "a comm may still match");
	s = (struct selector){ .exclude = { { { [SELECT_UNIT] = "nginx.service" } } }, .nexclude = 1 };
	CHECK(select_never(&s, &nginx) && !select_never(&s, &cart), "by exclusion");
	s.exclude[0].values[SELECT_COMM] = "sh";
	CHECK(!select_never(&s, &nginx), "only some of its events are excluded");
}

/* ---- events of Tapio's own ---- */

static unsigned told;

static int count(struct event_sink *sink, const struct event_view *view)
{
	(void)sink;
	told += view->ev->type == TAPIO_EV_IDENTITY;
	return 0;
}

static void close_nothing(struct event_sink *sink)
{
	(void)sink;
}

/* A rule about commands cannot be tested on it: who had events told without names is told the names. */
TEST(unit, select_identity_events)
{
	struct event_sink sink = { .write = count, .close = close_nothing };
	struct selector s = { .include = { { { [SELECT_NAMESPACE] = "shop", [SELECT_COMM] = "sh" } } },
			      .ninclude = 1 };
	struct tapio_cgroup_key key = { 5, 0 };
	struct pipeline p;

	pipeline_init(&p);
	pipeline_add_sink(&p, &sink);
	p.selector = &s;
	told = 0;
	pipeline_identity(&p, &cart, &key);
	CHECK(told == 1, "of a pod that is wanted: told %u times", told);
	pipeline_identity(&p, &nginx, &key);
	CHECK(told == 1, "of a unit that is not");
	pipeline_close(&p);
}
