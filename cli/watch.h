/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `tapio trace` and `tapio run` have in common: sensors at work, what is known of processes, and
 * the pipeline that their records go through. No loop of its own: the owner waits for `fds`.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/cli.h"
#include "cli/refused.h"
#include "collect/collector.h"
#include "identity/who.h"
#include "pipeline/pipeline.h"

#define WATCH_CGROUPS_DEFAULT 4096

struct watch_options {
	struct collect_options collect;
	struct selector selector;
	uint32_t cgroups;      /* remembered; 0: WATCH_CGROUPS_DEFAULT */
	const char *host_root; /* where the host's files are; NULL: "/" */
	uint64_t dns_timeout_ns; /* 0: DNS_TIMEOUT_NS */
};

struct watch {
	struct collector collector;
	struct pipeline pipeline;
	struct who *who;
	const struct correlator *dns; /* the pipeline's; NULL: the sensor does not run */
	const struct watch_options *options;
	struct losses reported; /* what the stream has told so far */
	uint64_t told_ahead[TAPIO_SENSOR_MAX]; /* refusals told of cgroups that `reported` does not hold yet */
	uint64_t reported_ns;
	uint64_t doubted; /* of the dns sensor's records, so many were lost when that was told last */
	struct refused refused; /* by the kernel, because a cgroup had used up its budget */
	unsigned verdicts; /* cgroups that the kernel was told to pass over */
};

/*
 * Starts the sensors and learns what is there. `options` are borrowed until watch_close. 0, or a
 * negative errno and in `why` what failed. Sinks are the owner's to add. The process has one thread
 * until watch_start, which may come after privileges were given up.
 */
int watch_open(struct watch *w, const struct watch_options *options, char *why, size_t size);

int watch_start(struct watch *w, char *why, size_t size);

/*
 * Says which sensors run, and what is missing of what was asked for; `hint` ends the lines that people
 * see on a terminal. Returns how many of those asked for run.
 */
unsigned watch_announce(const struct watch *w, const char *hint);

/* options->selector has changed. 0 or a negative errno. */
int watch_select(struct watch *w);

/* Becomes readable when there is something to do beside the rings: then watch_drain. */
int watch_who_fd(const struct watch *w);

/* How long to wait at most before the next watch_drain, in ms; -1: until a descriptor is readable. */
int watch_timeout(struct watch *w);

/* Records to the sinks; also the youngest if `all`. As reader_drain. */
long watch_drain(struct watch *w, bool all);

/*
 * Puts what was lost since the last time into the stream. `settled`: as collector_losses. Refusals of
 * a cgroup's budget are told by cgroup.
 */
void watch_report_losses(struct watch *w, bool settled);

/* Stops the programs. What is in the rings can still be drained. */
void watch_detach(struct watch *w);
void watch_close(struct watch *w);

/* Whether a cause is that of a refusal, and not of a loss. */
bool watch_is_refusal(unsigned cause);

/* Everything lost and everything refused so far, and " [cause N, ...]" appended to `list`. */
void watch_sums(const struct watch *w, uint64_t *ret_lost, uint64_t *ret_refused, struct buf *list);

#endif
