/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the commands that watch in the foreground: whose events, and which ports are DNS. */
#ifndef CLI_FILTERS_H
#define CLI_FILTERS_H

#include "cli/cli.h"
#include "pipeline/select.h"

#define FILTER_SHORT_OPTIONS "p:c:u:"

#define FILTER_LONG_OPTIONS                                                                        \
	{ "pid", required_argument, NULL, 'p' }, { "comm", required_argument, NULL, 'c' },         \
	{ "uid", required_argument, NULL, 'u' }, { "cgroup", required_argument, NULL, OPT_CGROUP }, \
	{ "container", required_argument, NULL, OPT_CONTAINER },                                   \
	{ "pod", required_argument, NULL, OPT_POD },                                               \
	{ "namespace", required_argument, NULL, OPT_NAMESPACE },                                   \
	{ "unit", required_argument, NULL, OPT_UNIT },                                             \
	{ "dns-port", required_argument, NULL, OPT_DNS_PORT }

#define FILTER_HELP                                                                                \
	"  -p, --pid PID[,PID]      these processes only\n"                                        \
	"  -c, --comm COMM[,COMM]   threads of this name only (as in /proc/PID/comm)\n"            \
	"  -u, --uid USER[,USER]    these real users only, by number or name\n"                    \
	"      --cgroup CGROUP      this cgroup v2 and all below it only, by path or id; repeatable\n" \
	"      --container CONTAINER  these containers only, by id (12 digits or more) or name; repeatable\n" \
	"      --pod NAMESPACE/NAME   these pods only; repeatable\n"                               \
	"      --namespace NAME       pods of these Kubernetes namespaces only; repeatable\n"      \
	"      --unit UNIT            these systemd units only, as in nginx.service; repeatable\n" \
	"      --dns-port PORT[,PORT]  ports of DNS instead of 53; 5353 is mDNS\n"

/* Takes one of the options above. STATUS_OK, STATUS_USAGE with a message, or -1 if it is none of them. */
int filter_option(const char *command, struct collect_options *collect, struct selector *selector, int opt, char *arg);

#endif
