/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "cli/agent.h"

static struct select_rule rule_of(const struct config_rule *r)
{
	return (struct select_rule){ { [SELECT_NAMESPACE] = r->namespace_name,
				       [SELECT_POD] = r->pod,
				       [SELECT_CONTAINER] = r->container,
				       [SELECT_UNIT] = r->unit,
				       [SELECT_COMM] = r->comm,
				       [SELECT_PATH] = r->path } };
}

_Static_assert(CONFIG_RULES_MAX <= SELECT_RULES_MAX, "all rules of a configuration fit a selector");

void agent_select(struct agent *a)
{
	struct selector *s = &a->options.selector;

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < a->config.ninclude; i++)
		s->include[s->ninclude++] = rule_of(&a->config.include[i]);
	for (unsigned i = 0; i < a->config.nexclude; i++)
		s->exclude[s->nexclude++] = rule_of(&a->config.exclude[i]);
}

int agent_set_args(struct agent *a)
{
	static const enum redact_mode modes[] = { [CONFIG_ARGS_OFF] = REDACT_ALL,
						  [CONFIG_ARGS_REDACTED] = REDACT_SECRETS,
						  [CONFIG_ARGS_FULL] = REDACT_FULL };

	return pipeline_set_args(&a->watch.pipeline, modes[a->config.args]);
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swap_ = a;                                                           \
		a = b;                                                                             \
		b = swap_;                                                                         \
	} while (0)

/* What needs no restart goes over; what it was before goes with `next`. */
static void take_over(struct config *running, struct config *next)
{
	for (unsigned i = 0; i < CONFIG_RULES_MAX; i++) {
		SWAP(running->include[i], next->include[i]);
		SWAP(running->exclude[i], next->exclude[i]);
	}
	SWAP(running->ninclude, next->ninclude);
	SWAP(running->nexclude, next->nexclude);
	running->args = next->args;
	running->events_per_second = next->events_per_second;
}

static int apply(struct agent *a)
{
	int err = agent_set_args(a);

	if (err)
		return err;
	agent_select(a);
	a->watch.collector.config.events_per_second = a->config.events_per_second;
	return watch_select(&a->watch);
}

static bool read_and_apply(struct agent *a)
{
	struct config next;
	char keys[512];
	int err;

	if (agent_read_config(a, &next, a->reload_error, sizeof(a->reload_error))) {
		log_error("%s; continuing with the configuration as it was", a->reload_error);
		return false;
	}
	a->reload_error[0] = '\0';
	a->loaded_wall_ns = clock_ns(CLOCK_REALTIME);
	if (config_needs_restart(&a->config, &next, keys, sizeof(keys)))
		log_warn("%s: changed, which takes a restart: %s", a->config_path, keys);
	watch_drain(&a->watch, true); /* what happened before is told by the rules of its time */
	take_over(&a->config, &next);
	config_free(&next);
	err = apply(a);
	if (err)
		log_error("%s: applying it: %s", a->config_path, strerror(-err));
	else
		log_info("%s: read again", a->config_path);
	return !err;
}

void agent_reload(struct agent *a)
{
	if (!a->config_path || !strcmp(a->config_path, "-")) {
		log_warn("SIGHUP: there is no configuration file to read again; start with --config FILE");
		return;
	}
	notify_reloading();
	if (read_and_apply(a))
		a->reloads++;
	else
		a->reload_failures++;
	notify_send("READY=1");
}
