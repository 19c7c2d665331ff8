/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/filters.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"

static int add_filter(const char *command, struct filter *filter, uint32_t kind, const char *option, const char *value)
{
	char why[256];

	if (!filter_add(filter, kind, value, why, sizeof(why))) {
		if (kind == TAPIO_FILTER_PID && kill(atoi(value), 0) && errno == ESRCH)
			log_warn("%s %s: there is no such process now", option, value);
		return STATUS_OK;
	}
	return usage_error(command, "%s %s: %s", option, value, why);
}

/* Takes each item of a comma-separated list. An empty one is refused: a filter left out shows everything. */
static int add_filters(const char *command, struct filter *filter, int opt, char *list)
{
	int status = STATUS_OK;
	char *item;

	while (!status && (item = strsep(&list, ","))) {
		if (!*item)
			status = usage_error(command, "-%c: an empty value", opt);
		else if (opt == 'p')
			status = add_filter(command, filter, TAPIO_FILTER_PID, "--pid", item);
		else if (opt == 'c')
			status = add_filter(command, filter, TAPIO_FILTER_COMM, "--comm", item);
		else
			status = add_filter(command, filter, TAPIO_FILTER_UID, "--uid", item);
	}
	return status;
}

static int add_who(const char *command, struct selector *selector, enum select_kind kind, const char *option,
		   const char *value)
{
	const char *slash = strchr(value, '/');

	if (!*value)
		return usage_error(command, "%s: an empty value", option);
	if (kind == SELECT_POD && (!slash || slash == value || !slash[1]))
		return usage_error(command, "%s %s: not of the form NAMESPACE/NAME", option, value);
	if (kind == SELECT_UNIT && !strchr(value, '.'))
		return usage_error(command, "%s %s: a unit's name ends in its type, as in %s.service", option, value,
				   value);
	if (select_want(selector, kind, value))
		return usage_error(command, "%s: more than %d values", option, SELECT_RULES_MAX);
	return STATUS_OK;
}

int filter_option(const char *command, struct collect_options *collect, struct selector *selector, int opt, char *arg)
{
	switch (opt) {
	case 'p':
	case 'c':
	case 'u':
		return add_filters(command, &collect->filter, opt, arg);
	case OPT_CGROUP:
		return add_filter(command, &collect->filter, TAPIO_FILTER_CGROUP, "--cgroup", arg);
	case OPT_CONTAINER:
		return add_who(command, selector, SELECT_CONTAINER, "--container", arg);
	case OPT_POD:
		return add_who(command, selector, SELECT_POD, "--pod", arg);
	case OPT_NAMESPACE:
		return add_who(command, selector, SELECT_NAMESPACE, "--namespace", arg);
	case OPT_UNIT:
		return add_who(command, selector, SELECT_UNIT, "--unit", arg);
	case OPT_DNS_PORT:
		if (parse_ports(arg, collect->dns_ports, TAPIO_DNS_PORTS_MAX))
			return usage_error(command, "--dns-port %s: wanted are 1 to %d different ports, as in 53,5353", arg,
					   TAPIO_DNS_PORTS_MAX);
		return STATUS_OK;
	default:
		return -1;
	}
}
