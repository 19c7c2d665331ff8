/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of `tapio run`: a YAML file, described once in the table of config_table.c, from
 * which the parser, --print-config and docs/CONFIGURATION.md are made.
 *
 * A key that the table does not know and a value that it does not allow are errors that name the
 * file, the line, the key and what is allowed. Reading never leaves a half-changed configuration:
 * config_read fills a new one.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "event/dns.h"

#define CONFIG_RULES_MAX 64 /* of each of include and exclude */
#define CONFIG_SINKS_MAX 4
#define CONFIG_FILE_MAX 262144 /* bytes of a configuration file */
#define CONFIG_WHY_MAX 1024 /* enough for any message */

/* What must hold of an event for a rule to match: all members that are not NULL. Owned strings. */
struct config_rule {
	char *namespace_name;
	char *pod; /* "NAMESPACE/NAME" */
	char *container; /* 12 to 64 hexadecimal digits: an id or its start; anything else: a name */
	char *unit;
	char *comm;
	char *path; /* prefix of process.executable.path */
};

enum config_args { CONFIG_ARGS_OFF, CONFIG_ARGS_REDACTED, CONFIG_ARGS_FULL };
enum config_stats { CONFIG_STATS_OFF, CONFIG_STATS_SAMPLED, CONFIG_STATS_ALWAYS };
enum config_sink_type { CONFIG_SINK_STDOUT, CONFIG_SINK_FILE };
enum config_format { CONFIG_FORMAT_JSON, CONFIG_FORMAT_TABLE };

struct config_sink {
	enum config_sink_type type;
	enum config_format format; /* stdout only */
	char *path;                /* file: absolute */
	uint64_t max_bytes;        /* file: of one file, before it is rotated */
	uint32_t keep;             /* file: how many rotated ones stay */
	uint64_t queue_bytes;
};

struct config {
	/* Bit of each event type that is wanted: from `collectors`, then `events`. Never empty; tapio.lost has none. */
	uint64_t events;
	enum config_args args;
	struct config_rule include[CONFIG_RULES_MAX], exclude[CONFIG_RULES_MAX];
	unsigned ninclude, nexclude;
	uint64_t ring_bytes[TAPIO_RINGS]; /* powers of two: rounded down */
	uint64_t memory_bytes;      /* ceiling for all that Tapio holds, maps included */
	uint32_t events_per_second; /* of one cgroup and sensor; 0: no limit */
	uint32_t cgroups;           /* cgroups remembered */
	struct config_sink sinks[CONFIG_SINKS_MAX];
	unsigned nsinks;
	char *listen;    /* "ADDRESS:PORT", numeric; NULL: off */
	char *socket;    /* path of the Unix socket; NULL: off */
	char *host_root; /* where the host's file system is seen: "/" unless in a container */
	enum config_stats bpf_stats;
	uint64_t dns_timeout_ns;
	uint16_t dns_ports[TAPIO_DNS_PORTS_MAX]; /* 0: no more */
	bool dns_mdns;                           /* the port of mDNS too */
};

/* Fills in the defaults, whatever *ret held. 0 or -ENOMEM. */
int config_defaults(struct config *ret);

/*
 * Reads a file over the defaults; "-" is standard input. 0, or a negative errno and in `why` one line
 * for people, as in "/etc/tapio.yaml:12: limits.memory: '1 fortnight': wanted is a size from 16MiB to
 * 64GiB, as in 128MiB". *ret is overwritten on success and untouched on failure.
 */
int config_read(const char *path, struct config *ret, char *why, size_t size);

/* The same from memory; `name` stands for the file in messages. */
int config_parse(const char *name, const char *text, size_t length, struct config *ret, char *why, size_t size);

/*
 * Sets one key that has a single value outside of a list ("listen", "limits.memory"), as an option of
 * the command line may. 0, or -ENOENT, -EINVAL or -ENOMEM and in `why` what is wrong, without the key;
 * the old value then stays.
 */
int config_set(struct config *config, const char *key, const char *value, char *why, size_t size);

/*
 * Whether keys differ that only a start can apply; `keys` gets their names, comma-separated. What
 * differs otherwise a SIGHUP applies.
 */
bool config_needs_restart(const struct config *running, const struct config *wanted, char *keys, size_t size);

/* dns.ports, and that of dns.mdns. 0, or -ENOSPC: there is no room for it, which config_read refuses. */
#define CONFIG_MDNS_PORT 5353
int config_dns_ports(const struct config *config, uint16_t ret[TAPIO_DNS_PORTS_MAX]);

/* Prints the effective configuration as YAML that config_read takes again. The caller checks ferror. */
void config_print(const struct config *config, FILE *to);

/* Prints docs/CONFIGURATION.md: every key, its type, unit, default, bounds, and what it is for. */
void config_print_docs(FILE *to);

/* NULL and all zeroes are allowed. */
void config_free(struct config *config);

#endif
