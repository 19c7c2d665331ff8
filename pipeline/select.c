/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/select.h"

#include <errno.h>
#include <string.h>

#define ID_PREFIX_MIN 12 /* as docker and crictl print ids */

/* What a value says of an event: MAYBE if it is about something that is not known yet. */
enum match { NO, YES, MAYBE };

static enum match match_text(const char *have, const char *value)
{
	return have && !strcmp(have, value) ? YES : NO;
}

static enum match match_pod(const struct event_identity *who, const char *value)
{
	size_t n = who->pod_namespace ? strlen(who->pod_namespace) : 0;

	return n && who->pod_name && !strncmp(value, who->pod_namespace, n) && value[n] == '/' &&
			       !strcmp(value + n + 1, who->pod_name) ?
		       YES :
		       NO;
}

static enum match match_container(const struct event_identity *who, const char *value)
{
	size_t n = strlen(value);

	if (!who->container_id)
		return NO;
	if (n >= ID_PREFIX_MIN && !strncmp(who->container_id, value, n))
		return YES;
	return match_text(who->container_name, value) == YES || match_text(who->pod_container, value) == YES ?
		       YES :
		       NO;
}

static enum match match_comm(const struct event_view *view, const char *value)
{
	size_t n = strlen(value);

	return n < TAPIO_COMM_LEN && !memcmp(view->ev->comm, value, n) && !view->ev->comm[n] ? YES : NO;
}

static enum match match_path(const struct event_view *view, const char *value)
{
	int index = event_field_index(view->desc, "process.executable.path");
	char path[EVENT_PATH_BUF];
	size_t n = strlen(value);

	if (index < 0 || !event_has(view, &view->desc->fields[(unsigned)index - event_ncommon], (unsigned)index))
		return NO;
	if (event_path(view, &view->desc->fields[(unsigned)index - event_ncommon], path) < n)
		return NO;
	return !memcmp(path, value, n) ? YES : NO;
}

/* `view->desc` NULL: only the identity is known, of events that are still to come. */
static enum match match_value(const struct event_view *view, enum select_kind kind, const char *value)
{
	static const struct event_identity nobody;
	const struct event_identity *who = view->who ? view->who : &nobody;

	switch (kind) {
	case SELECT_NAMESPACE:
		return match_text(who->pod_namespace, value);
	case SELECT_POD:
		return match_pod(who, value);
	case SELECT_CONTAINER:
		return match_container(who, value);
	case SELECT_UNIT:
		/* A unit inside a container is that container's word: it could hide behind one that is excluded. */
		if (who->container_id || who->pod_uid)
			return NO;
		return match_text(who->unit, value) == YES ? YES : match_text(who->user_unit, value);
	case SELECT_COMM:
		return view->desc ? match_comm(view, value) : MAYBE;
	case SELECT_PATH:
		return view->desc ? match_path(view, value) : MAYBE;
	case SELECT_KINDS:
		break;
	}
	return NO;
}

static enum match match_rule(const struct event_view *view, const struct select_rule *rule)
{
	enum match all = YES;

	for (enum select_kind kind = 0; kind < SELECT_KINDS && all != NO; kind++) {
		enum match one = rule->values[kind] ? match_value(view, kind, rule->values[kind]) : YES;

		if (one != YES)
			all = one;
	}
	return all;
}

static enum match match_rules(const struct event_view *view, const struct select_rule *rules, unsigned n)
{
	enum match any = NO;

	for (unsigned i = 0; i < n && any != YES; i++) {
		enum match one = match_rule(view, &rules[i]);

		if (one != NO)
			any = one;
	}
	return any;
}

static enum match match_wanted(const struct selector *s, const struct event_view *view)
{
	enum match all = YES;

	for (enum select_kind kind = 0; kind < SELECT_KINDS && all != NO; kind++) {
		enum match any = s->nwanted[kind] ? NO : YES;

		for (unsigned i = 0; i < s->nwanted[kind] && any != YES; i++) {
			enum match one = match_value(view, kind, s->wanted[kind][i]);

			if (one != NO)
				any = one;
		}
		if (any != YES)
			all = any;
	}
	return all;
}

static enum match selected(const struct selector *s, const struct event_view *view)
{
	enum match wanted = match_wanted(s, view);
	enum match included = s->ninclude ? match_rules(view, s->include, s->ninclude) : YES;
	enum match excluded = match_rules(view, s->exclude, s->nexclude);

	if (wanted == NO || included == NO || excluded == YES)
		return NO;
	return wanted == YES && included == YES && excluded == NO ? YES : MAYBE;
}

bool select_any(const struct selector *s)
{
	unsigned n = s->ninclude + s->nexclude;

	for (enum select_kind kind = 0; kind < SELECT_KINDS; kind++)
		n += s->nwanted[kind];
	return n;
}

int select_want(struct selector *s, enum select_kind kind, const char *value)
{
	if (s->nwanted[kind] == SELECT_RULES_MAX)
		return -E2BIG;
	s->wanted[kind][s->nwanted[kind]++] = value;
	return 0;
}

bool select_event(const struct selector *s, const struct event_view *view)
{
	return selected(s, view) == YES;
}

bool select_never(const struct selector *s, const struct event_identity *who)
{
	const struct event_view view = { .who = who };

	return who->reason == IDENTITY_KNOWN && selected(s, &view) == NO;
}
