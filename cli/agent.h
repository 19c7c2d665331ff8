/* SPDX-License-Identifier: Apache-2.0 */
/* `tapio run`: the agent. One event loop; what may block has a thread behind a queue. */
#ifndef CLI_AGENT_H
#define CLI_AGENT_H

#include <event2/event.h>

#include "cli/config.h"
#include "cli/heartbeat.h"
#include "cli/memory.h"
#include "cli/watch.h"
#include "collect/bpf_stats.h"
#include "correlate/dns/summary.h"
#include "export/http.h"
#include "export/stream.h"

/* Values of options, which go before those of the file. */
struct agent_args {
	const char *listen, *socket, *bpf_stats; /* NULL: not given */
	uint64_t events;                         /* of the collectors named; 0: none was */
	uint64_t heartbeat_ns;                   /* 0: not given */
	bool print_config, keep_privileges;
};

struct agent {
	struct agent_args args;
	struct config config; /* as it runs */
	const char *config_path; /* NULL: the defaults */
	struct run_options run;
	struct watch_options options;
	struct watch watch;
	struct bpf_stats stats;
	struct heartbeat heartbeat;
	struct event_base *base;
	struct event *ring, *names, *drain, *second, *signals[3];
	struct event_sink *sinks[CONFIG_SINKS_MAX]; /* also the pipeline's, which closes them */
	unsigned nsinks;
	struct dns_summary *dns; /* also the pipeline's; NULL: the sensor does not run */
	struct http_server *http;     /* NULL: off */
	struct stream_server *stream; /* NULL: off */
	char *capabilities; /* as `tapio check --json`, made once at start */
	size_t capabilities_length;
	uint64_t started_ns, started_wall_ns; /* CLOCK_MONOTONIC, CLOCK_REALTIME */
	uint64_t reloads, reload_failures;
	uint64_t loaded_wall_ns; /* when the configuration was last read */
	char reload_error[CONFIG_WHY_MAX]; /* "": the last reload was applied */
	uint64_t notify_ns, notified_ns; /* how often the service manager wants to hear of us */
	uint64_t memory_max_bytes;       /* by the formula */
};

/* ---- agent.c ---- */

/*
 * Reads the configuration, and over it what options say. STATUS_OK; or STATUS_USAGE, and in `why` what is
 * wrong; *ret is then untouched.
 */
int agent_read_config(const struct agent *a, struct config *ret, char *why, size_t size);

/* ---- agent_args.c ---- */

/* Takes the options and reads the configuration. -1 to go on, else the status to exit with. */
int agent_parse_args(struct agent *a, int argc, char **argv);

/* ---- agent_pages.c: what is served ---- */

/* Pages of HTTP; `arg` of each is the agent. Ends with an empty row. */
#define AGENT_PAGES 5
void agent_pages(struct agent *a, struct http_handler ret[AGENT_PAGES + 1]);

/* NULL: all is well. Else what is not, for people: "sensor process: its hook is dead". */
const char *agent_trouble(const struct agent *a, char *text, size_t size);

/* ---- agent_status.c ---- */

/* Appends the status as one JSON object (docs/STATUS.md): what `tapio status` shows. 0 or -ENOBUFS. */
int agent_status(void *arg, struct buf *out);

/* ---- agent_metrics.c ---- */

int agent_metrics(void *arg, const struct http_request *request, struct buf *out, const char **content_type);

/* ---- agent_reload.c ---- */

/* Fills in the selector from the configuration's rules, which stay its owner. */
void agent_select(struct agent *a);

/* What the configuration says about arguments, to the pipeline. 0 or -ENOMEM. */
int agent_set_args(struct agent *a);

/* Reads the configuration again and applies what can be; a bad one changes nothing. */
void agent_reload(struct agent *a);

#endif
