/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of configuration keys: one row per key. Reading, --print-config, the defaults and
 * docs/CONFIGURATION.md are loops over it. Offset and kind of a row come from the structure.
 */
#ifndef CLI_CONFIG_TABLE_H
#define CLI_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/config.h"

enum config_kind {
	CONFIG_KIND_ENUM = 1, /* an enum, by name */
	CONFIG_KIND_SIZE,     /* uint64_t, bytes */
	CONFIG_KIND_COUNT,    /* uint32_t */
	CONFIG_KIND_BOOL,     /* bool */
	CONFIG_KIND_DURATION, /* uint64_t, nanoseconds */
	CONFIG_KIND_PORTS,    /* uint16_t[TAPIO_DNS_PORTS_MAX], 0: no more; in YAML a list */
	CONFIG_KIND_TEXT,     /* char *, owned; NULL: off, or not given */
	CONFIG_KIND_SENSORS,  /* list of collectors and sensors: struct config.events */
	CONFIG_KIND_EVENTS,   /* map of event to true or false: struct config.events */
	CONFIG_KIND_RULES,    /* list of struct config_rule, keys config_rule_keys */
	CONFIG_KIND_SINKS,    /* list of struct config_sink, keys config_sink_keys of its type */
};

#define CONFIG_OFF 0x1        /* TEXT: may be off, NULL */
#define CONFIG_OPTIONAL 0x2   /* TEXT: may be missing, NULL */
#define CONFIG_RESTART 0x4    /* a change takes a restart */
#define CONFIG_POWER_OF_2 0x8 /* SIZE: rounded down */

struct config_key {
	const char *name; /* dotted, within its set */
	enum config_kind kind;
	unsigned flags;
	size_t offset;       /* in the structure of its set */
	size_t count_offset; /* RULES and SINKS: of the unsigned that counts them */
	const char *const *names; /* ENUM: in the order of the enum, ends with NULL */
	uint64_t min, max;        /* SIZE, COUNT and DURATION: the value; TEXT: max bytes; RULES and SINKS: how many */
	bool (*valid)(const char *text); /* TEXT */
	const char *allowed;  /* TEXT: completes "wanted is ..." */
	const char *fallback; /* the default as it is written; NULL: required, unless it is optional */
	const char *unit;
	const char *help;
	const char *example; /* RULES and SINKS: lines of YAML that the documents show */
};

struct config_keys {
	const char *what; /* "of a rule", for messages; "" for the top */
	const struct config_key *keys;
	unsigned n;
};

extern const struct config_keys config_top_keys;
extern const struct config_keys config_rule_keys;
extern const struct config_keys config_sink_keys[]; /* by enum config_sink_type; the first key is `type` */
#define CONFIG_SINK_TYPES 2

/* NULL if there is none. */
const struct config_key *config_key_find(const struct config_keys *set, const char *name);

/* Whether keys of the set begin with "NAME.". */
bool config_key_is_section(const struct config_keys *set, const char *name);

#define CONFIG_EXPECTED_NODE                                                                       \
	"30 pods, each with one exec probe every 10 seconds, which is 10,800 probes an hour, and nothing else"

/* How many events an hour to expect on that node, and of what; NULL: nobody has measured it. */
const char *config_expected(unsigned type);

/* ---- single values: kinds ENUM to TEXT; `base` is the structure of the key's set ---- */

#define CONFIG_SINGLE(key) ((key)->kind <= CONFIG_KIND_TEXT)

/* 0, -EINVAL if the text is not allowed (the old value stays), -ENOMEM. */
int config_value_read(const struct config_key *key, const char *text, void *base);

/* As YAML. */
void config_value_print(const struct config_key *key, const void *base, FILE *to);

/* Completes "wanted is ...". */
void config_value_allowed(const struct config_key *key, FILE *to);

/* What commonly goes wrong, if this text is an example of it; NULL otherwise. */
const char *config_value_hint(const struct config_key *key, const char *text);

/* Whether the key has a value: TEXT that is NULL has none. */
bool config_value_given(const struct config_key *key, const void *base);

/* Gives all keys of the set their defaults; `base` is zeroed. 0 or -ENOMEM. */
int config_values_default(const struct config_keys *set, void *base);
void config_values_free(const struct config_keys *set, void *base);

/* Words that YAML's readers and writers take for the same. */
int config_bool_read(const char *text, bool *ret);

/* The text as one YAML scalar, quoted where it must be. */
void config_text_print(const char *text, FILE *to);

/* As config_print, with what each key is for and what is allowed as comments, and examples of lists. */
void config_print_annotated(const struct config *config, FILE *to);

/* ---- sets of events ---- */

#define CONFIG_EVENT(type) (1ull << (type))

/* Events that a collector or sensor of this name has, those that are off by default too; 0: no such name. */
uint64_t config_sensor_events(const char *name);

/* Of these events those that are on by default. */
uint64_t config_default_events(uint64_t events);

/* Calls `each` with the shortest list of collectors and sensors that yields some of these events. */
void config_each_sensor(uint64_t events, void (*each)(const char *name, void *arg), void *arg);

/* All events of the sensors of which some are wanted. */
uint64_t config_sensors_of(uint64_t events);

#endif
