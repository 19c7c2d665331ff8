/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands, and what they share: exit statuses, common options, what a run is made of. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "collect/collector.h"
#include "pipeline/pipeline.h"

/* Exit status, the same for all subcommands. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,      /* something required does not run, or an error at run time */
	STATUS_USAGE = 2,       /* wrong usage, or a missing privilege */
	STATUS_UNSUPPORTED = 3, /* the kernel is older than 4.14 */
};

int cmd_trace(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_dns(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_btf(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_complete(int argc, char **argv);

/* ---- options of every subcommand that loads programs ---- */

struct run_options {
	struct collect_options collect;
};

/* getopt_long values above any character. */
enum {
	OPT_TIER = 0x100,
	OPT_NO_RINGBUF,
	OPT_NO_BTF,
	OPT_BTF,
	OPT_CGROUP, /* these: cli/filters.h */
	OPT_CONTAINER,
	OPT_POD,
	OPT_NAMESPACE,
	OPT_UNIT,
	OPT_DNS_PORT,
	OPT_LAST
};

#define RUN_LONG_OPTIONS                                                                           \
	{ "tier", required_argument, NULL, OPT_TIER },                                             \
	{ "no-ringbuf", no_argument, NULL, OPT_NO_RINGBUF },                                       \
	{ "no-btf", no_argument, NULL, OPT_NO_BTF }, { "btf", required_argument, NULL, OPT_BTF },  \
	{ "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' }

#define RUN_OPTIONS_HELP RUN_TIER_HELP RUN_BTF_HELP RUN_COMMON_HELP

#define RUN_TIER_HELP                                                                              \
	"      --tier SENSOR=TIER  run this tier of the sensor and no other\n"                     \
	"      --no-ringbuf        use perf buffers, as kernels before 5.8 do\n"                   \
	"      --no-btf            do without BTF, as kernels before 5.4 do\n"

#define RUN_BTF_HELP                                                                               \
	"      --btf FILE          take the kernel's BTF from FILE: BTF, a vmlinux or a kernel image\n"

#define RUN_COMMON_HELP                                                                            \
	"  -v, --verbose           show libbpf's messages and the verifier's\n"                    \
	"  -h, --help              show this\n"

/* Takes one of the options above. STATUS_OK, STATUS_USAGE with a message, or -1 if it is not ours. */
int run_option(struct run_options *run, int opt, const char *arg);

/*
 * Chooses the events of the collectors or sensors named (all if none is): those that are on by
 * default. STATUS_OK or STATUS_USAGE with a message.
 */
int select_collectors(struct run_options *run, int n, char **names);

/* Checks kernel and privileges for `tapio COMMAND`. STATUS_OK, or what to exit with after a message. */
int check_host(const char *command);

/* Says what this process cannot see from where it runs, and how to give it. */
void warn_about_view(void);

/*
 * The level of support that follows from what runs: "full" (BTF, ring buffer, and nothing is lost),
 * "partial" (BTF), "fallback" (a sensor does without BTF), "no".
 */
const char *support_level(const struct collector *c);

/* Tells the pipeline what the running tiers cannot give. 0 or -ENOMEM. */
int absent_from_tiers(struct pipeline *p, const struct collector *c);

/* Writes out what is buffered. True, after a message, if something could not be written; a closed pipe is no error. */
bool stdout_failed(const char *command);

/* A clear error about wrong usage, with a hint at --help. Returns STATUS_USAGE. */
int usage_error(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
