/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/watch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/log.h"
#include "correlate/dns/dns.h"
#include "export/json.h"

static void identity_known(void *arg, const struct event_identity *who, const struct tapio_cgroup_key *key)
{
	struct watch *w = arg;

	pipeline_identity(&w->pipeline, who, key);
}

/* ---- what the kernel need not send ---- */

static void forget_verdicts(struct watch *w)
{
	int fd = w->collector.transport.verdicts_fd;
	struct tapio_cgroup_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key) && !bpf_map_delete_elem(fd, &key))
		;
	w->verdicts = 0;
}

/* A cache: when it is full it begins anew, and what was forgotten is judged here once more. */
static void cgroup_unwanted(void *arg, const struct tapio_cgroup_key *key)
{
	struct watch *w = arg;
	__u32 one = 1;

	if (w->verdicts >= TAPIO_VERDICTS_MAX)
		forget_verdicts(w);
	/* What was in the ring then comes here too: once is enough. */
	if (!bpf_map_update_elem(w->collector.transport.verdicts_fd, key, &one, BPF_NOEXIST))
		w->verdicts++;
}

/* Programs without cgroup ids of their own cannot ask; there all is judged here. */
int watch_select(struct watch *w)
{
	bool any = select_any(&w->options->selector), verdicts = any && w->who && !w->collector.lineage;

	w->pipeline.selector = any ? &w->options->selector : NULL;
	w->pipeline.unwanted = verdicts ? cgroup_unwanted : NULL;
	w->pipeline.unwanted_arg = w;
	/* What was found out was by other rules. */
	forget_verdicts(w);
	w->collector.config.filters &= ~(__u32)TAPIO_FILTER_VERDICT;
	if (verdicts)
		w->collector.config.filters |= TAPIO_FILTER_VERDICT;
	return collector_configure(&w->collector);
}

/* ---- opening ---- */

/* Whether moves of processes from one cgroup to another are told. */
static bool tells_moves(const struct collector *c)
{
	const struct sensor_run *run = &c->runs[TAPIO_SENSOR_CGROUP];

	return run->tier && (run->events & EVENT_BIT(TAPIO_EV_CGROUP_ENTERED)) &&
	       tier_gives_event(run->tier, event_desc_by_type(TAPIO_EV_CGROUP_ENTERED));
}

static int open_identity(struct watch *w, char *why, size_t size)
{
	const struct legacy_hierarchy *legacy = &w->collector.legacy;
	struct who_options options = {
		.cgroups_max = w->options->cgroups ? w->options->cgroups : WATCH_CGROUPS_DEFAULT,
		.lineage = w->collector.lineage,
		.classic_ids = w->collector.runs[TAPIO_SENSOR_CGROUP].tier &&
			       w->collector.runs[TAPIO_SENSOR_CGROUP].tier->abi,
		.moves_unseen = !tells_moves(&w->collector),
		.resolver = { .host_root = w->options->host_root ? w->options->host_root : "/",
			      .legacy_hierarchy = legacy->number,
			      .legacy_mount = legacy->mount[0] ? legacy->mount : NULL },
		.render = json_identity,
		.known = identity_known,
		.arg = w,
	};

	cgroup_mode_detect(&options.resolver.v2_mount);
	if (legacy->subsystem && !legacy->mount[0])
		log_warn("cgroup v1 (%s) is in use on this machine and not mounted here, continuing with v2 for what was there before: containers that are in v1 alone are taken for what started them; mount the host's /sys/fs/cgroup",
			 legacy->controller);
	w->who = who_open(&options, why, size);
	if (!w->who)
		return -ENOMEM;
	w->pipeline.identifier = who_identifier(w->who);
	who_walk(w->who); /* what it does not find is looked up by id, or stays unknown with a reason */
	return 0;
}

static int open_dns(struct watch *w, char *why, size_t size)
{
	const struct sensor_run *run = &w->collector.runs[TAPIO_SENSOR_DNS];
	struct dns_options options = { .events = w->options->collect.events, .timeout_ns = w->options->dns_timeout_ns };
	struct correlator *dns;

	if (!run->tier)
		return 0;
	memcpy(options.ports, run->dns_ports, sizeof(options.ports));
	dns = dns_open(&options);
	if (!dns) {
		snprintf(why, size, "dns: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	pipeline_add_correlator(&w->pipeline, dns);
	w->dns = dns;
	return 0;
}

int watch_open(struct watch *w, const struct watch_options *options, char *why, size_t size)
{
	int err;

	memset(w, 0, sizeof(*w));
	w->options = options;
	err = collector_open(&w->collector, &options->collect, why, size);
	if (err)
		return err;
	pipeline_init(&w->pipeline);
	w->reported_ns = clock_ns(CLOCK_MONOTONIC);
	if (options->collect.identity)
		err = open_identity(w, why, size);
	if (!err)
		err = open_dns(w, why, size);
	if (!err) {
		err = watch_select(w);
		if (err)
			snprintf(why, size, "writing the settings: %s", strerror(-err));
	}
	if (!err && absent_from_tiers(&w->pipeline, &w->collector)) {
		err = -ENOMEM;
		snprintf(why, size, "starting: %s", strerror(ENOMEM));
	}
	if (err)
		watch_close(w);
	return err;
}

int watch_start(struct watch *w, char *why, size_t size)
{
	int err = w->who ? who_start(w->who) : 0;

	if (err)
		snprintf(why, size, "starting a thread: %s", strerror(-err));
	return err;
}

void watch_detach(struct watch *w)
{
	collector_detach(&w->collector);
}

void watch_close(struct watch *w)
{
	pipeline_close(&w->pipeline);
	who_close(w->who);
	collector_close(&w->collector);
	w->who = NULL;
}

/* ---- announcing ---- */

static void announce_missing(const struct sensor_run *run)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && (run->events & EVENT_BIT(type)) && !tier_gives_event(run->tier, desc))
			log_warn("sensor %s: tier %s does not give %s, continuing without it ('tapio check' says why)",
				 sensor_name(run->sensor->id), run->tier->name, desc->name);
	}
}

static void announce_failure(const struct sensor_run *run, bool wanted)
{
	unsigned id = run->sensor->id;

	for (unsigned k = 0; k < ladder_height(run->sensor); k++)
		if (run->results[k].state == TIER_FAILED)
			log_error("sensor %s: tier %s: %s", sensor_name(id), run->sensor->tiers[k].name,
				  run->results[k].why);
	if (wanted)
		log_error("sensor %s: no tier runs here, continuing without its events", sensor_name(id));
	else
		log_warn("sensor %s: no tier runs here, continuing: cgroups are looked up by their ids, and one that is gone by then stays unknown",
			 sensor_name(id));
}

unsigned watch_announce(const struct watch *w, const char *hint)
{
	unsigned running = 0;

	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_run *run = &w->collector.runs[i];
		bool wanted = run->sensor && (run->events & w->options->collect.events);

		if (!run->sensor)
			continue;
		running += wanted && run->tier;
		if (!run->tier)
			announce_failure(run, wanted);
		else if (wanted)
			announce_missing(run);
		if (run->tier && wanted && isatty(STDERR_FILENO))
			log_info("sensor %s: tier %s (%s support); %s", sensor_name(i), run->tier->name,
				 support_level(&w->collector), hint);
	}
	return running;
}

/* ---- running ---- */

int watch_who_fd(const struct watch *w)
{
	return w->who ? who_fd(w->who) : -1;
}

int watch_timeout(struct watch *w)
{
	int ms = reader_timeout(&w->collector.reader);
	uint64_t due = pipeline_due(&w->pipeline), now = due ? clock_ns(CLOCK_BOOTTIME) : 0, left;

	if (!due)
		return ms;
	left = due > now ? (due - now) / NS_PER_MS + 1 : 1;
	return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

static int take_record(void *arg, const void *data, size_t size, uint64_t ts_boot_ns)
{
	return pipeline_record(arg, data, size, ts_boot_ns);
}

static void doubt(struct watch *w, const struct tapio_cgroup_key *whose)
{
	for (unsigned i = 0; i < w->pipeline.ncorrelators; i++)
		w->pipeline.correlators[i]->doubt(w->pipeline.correlators[i], whose, clock_ns(CLOCK_BOOTTIME));
}

/* Records that were made and did not arrive. What a cgroup's budget refuses concerns that cgroup alone. */
static void doubt_lost(struct watch *w, const struct losses *losses)
{
	uint64_t lost = 0;

	for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
		if (cause != TAPIO_CAUSE_BUDGET)
			lost += losses->count[TAPIO_SENSOR_DNS][cause];
	if (lost > w->doubted)
		doubt(w, NULL);
	w->doubted = lost;
}

/* Before a lookup is said to have had no answer: its answer may have been lost just now, or while we were stopped. */
static void doubt_in_time(struct watch *w, uint64_t until)
{
	uint64_t due = pipeline_due(&w->pipeline);
	struct losses losses;

	if (!due || due > until)
		return;
	if (clock_ns(CLOCK_MONOTONIC) - w->reported_ns > NS_PER_S)
		watch_report_losses(w, false);
	else if (!collector_losses(&w->collector, false, &losses))
		doubt_lost(w, &losses);
}

long watch_drain(struct watch *w, bool all)
{
	/* What is younger than this may still be on its way: reader.h. */
	uint64_t until = clock_ns(CLOCK_BOOTTIME) - (all ? 0 : READER_WINDOW_NS);
	long n;

	pipeline_clocks(&w->pipeline);
	if (w->who)
		who_answers(w->who);
	n = reader_drain(&w->collector.reader, all, take_record, &w->pipeline);
	/* A sink that stopped the drain, or a record that is held, leaves older ones untaken. */
	if (n >= 0 && !w->collector.reader.held && !w->pipeline.interrupted && !w->pipeline.sink_error) {
		doubt_in_time(w, until);
		pipeline_advance(&w->pipeline, until);
	}
	return n;
}

/* ---- losses ---- */

#define TOLD_AT_ONCE 1024 /* cgroups whose refusals are told in one go; the rest waits for the next time */

/* Tells the refusals of one cgroup, if it has any, and takes them back to 0. Returns how many they were. */
static uint64_t report_budget(struct watch *w, const struct tapio_budget_key *key, uint64_t interval)
{
	int fd = w->collector.transport.budgets_fd;
	const struct event_identity *who;
	struct tapio_budget budget;
	uint64_t refused;

	if (bpf_map_lookup_elem(fd, key, &budget) || !budget.refused)
		return 0;
	/* What is refused between the two calls is told of no cgroup, and of the sensor. */
	refused = budget.refused;
	budget.refused = 0;
	if (bpf_map_update_elem(fd, key, &budget, BPF_EXIST))
		return 0;
	who = w->who ? who_find(w->who, &key->cgroup) : NULL;
	refused_add(&w->refused, key->sensor, who, refused);
	if (key->sensor == TAPIO_SENSOR_DNS)
		doubt(w, &key->cgroup);
	pipeline_lost(&w->pipeline, key->sensor, TAPIO_CAUSE_BUDGET, refused, interval, &key->cgroup, who);
	return refused;
}

/* Returns the sum of what was told; *ret_all: no cgroup is left to be told of. */
static uint64_t report_budgets(struct watch *w, unsigned sensor, uint64_t interval, bool settled, bool *ret_all)
{
	int fd = w->collector.transport.budgets_fd;
	struct tapio_budget_key keys[2], *key = NULL, *next = &keys[0];
	unsigned told = 0, limit = settled ? TAPIO_BUDGETS_MAX : TOLD_AT_ONCE;
	uint64_t sum = 0;

	/* Twice as many steps as there are keys: the map changes, and a walk that lost its place begins anew. */
	for (unsigned n = 0; n < 2 * TAPIO_BUDGETS_MAX && told < limit && !bpf_map_get_next_key(fd, key, next); n++) {
		uint64_t refused = 0;

		key = next;
		next = key == &keys[0] ? &keys[1] : &keys[0];
		if (key->sensor == sensor)
			refused = report_budget(w, key, interval);
		sum += refused;
		told += refused != 0;
	}
	*ret_all = told < limit;
	return sum;
}

/*
 * Of refusals by budget since the last time, first what cgroups are known of. The sensor's counter was
 * read before they were: what they are ahead of it comes with the next reading, and is not told twice.
 * Returns what is left to be told the next time.
 */
static uint64_t report_refusals(struct watch *w, unsigned sensor, uint64_t count, uint64_t interval, bool settled)
{
	bool all;
	uint64_t told = w->told_ahead[sensor] + report_budgets(w, sensor, interval, settled, &all);
	uint64_t rest = count > told ? count - told : 0;

	w->told_ahead[sensor] = told > count ? told - count : 0;
	if (!all)
		return rest;
	if (rest) {
		refused_add(&w->refused, sensor, NULL, rest);
		pipeline_lost(&w->pipeline, sensor, TAPIO_CAUSE_BUDGET, rest, interval, NULL, NULL);
	}
	return 0;
}

/* Whether records were lost since the last time, of which user space learns who processes are. */
static bool lost_more(const struct watch *w, const struct losses *losses)
{
	uint64_t before = 0, now = 0;

	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++)
		for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
			if (cause != TAPIO_CAUSE_BUDGET && cause != TAPIO_CAUSE_UNREADABLE) {
				before += w->reported.count[s][cause];
				now += losses->count[s][cause];
			}
	return now > before;
}

void watch_report_losses(struct watch *w, bool settled)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), interval = now - w->reported_ns;
	struct losses losses;

	if (!settled)
		transport_revive(&w->collector.transport);
	memcpy(w->collector.received, w->pipeline.received, sizeof(w->pipeline.received));
	if (collector_losses(&w->collector, settled, &losses))
		return;
	doubt_lost(w, &losses);
	if (w->dns)
		losses.count[TAPIO_SENSOR_DNS][TAPIO_CAUSE_STATE_FULL] += w->dns->refused(w->dns);
	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++) {
		losses.count[s][TAPIO_CAUSE_MALFORMED] += w->pipeline.malformed[s];
		losses.count[s][TAPIO_CAUSE_UNKNOWN_TYPE] += w->pipeline.unknown[s];
		for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++) {
			uint64_t *count = &losses.count[s][cause], before = w->reported.count[s][cause];

			if (*count <= before)
				continue;
			if (cause == TAPIO_CAUSE_BUDGET)
				*count -= report_refusals(w, s, *count - before, interval, settled);
			else
				pipeline_lost(&w->pipeline, s, cause, *count - before, interval, NULL, NULL);
		}
	}
	if (w->who && lost_more(w, &losses))
		who_doubt(w->who);
	w->reported = losses;
	w->reported_ns = now;
}

bool watch_is_refusal(unsigned cause)
{
	return cause == TAPIO_CAUSE_UNREADABLE || cause == TAPIO_CAUSE_MALFORMED ||
	       cause == TAPIO_CAUSE_UNKNOWN_TYPE || cause == TAPIO_CAUSE_BUDGET;
}

void watch_sums(const struct watch *w, uint64_t *ret_lost, uint64_t *ret_refused, struct buf *list)
{
	uint64_t causes[TAPIO_CAUSE_MAX] = { 0 };

	*ret_lost = *ret_refused = 0;
	for (unsigned s = 0; s < TAPIO_SENSOR_MAX; s++)
		for (unsigned c = 0; c < TAPIO_CAUSE_MAX; c++)
			causes[c] += w->reported.count[s][c];
	for (unsigned c = 0; c < TAPIO_CAUSE_MAX; c++) {
		*(watch_is_refusal(c) ? ret_refused : ret_lost) += causes[c];
		if (causes[c])
			buf_printf(list, "%s%s %llu", list->length ? ", " : " [", cause_name(c),
				   (unsigned long long)causes[c]);
	}
	if (list->length)
		buf_adds(list, "]");
}
