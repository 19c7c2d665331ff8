/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "event/table.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* ---- which texts are allowed ---- */

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool made_of(const char *text, const char *set)
{
	return *text && !text[strspn(text, set)];
}

/* Absolute, and with one spelling only, so that two paths are the same file if they are the same text. */
static bool valid_prefix(const char *path)
{
	if (*path != '/')
		return false;
	while (*path) {
		size_t n = strcspn(++path, "/");

		if ((!n && *path) || (n == 1 && *path == '.') || (n == 2 && !strncmp(path, "..", 2)))
			return false;
		path += n;
	}
	return true;
}

static bool valid_path(const char *path)
{
	return valid_prefix(path) && path[strlen(path) - 1] != '/';
}

static bool valid_root(const char *path)
{
	return !strcmp(path, "/") || valid_path(path);
}

static bool valid_address(const char *text)
{
	char host[INET6_ADDRSTRLEN], binary[sizeof(struct in6_addr)];
	const char *colon = strrchr(text, ':');
	bool ip6 = *text == '[';
	uint64_t port;
	size_t n;

	if (!colon || parse_u64(colon + 1, 65535, &port) || (colon[1] == '0' && colon[2]))
		return false;
	n = (size_t)(colon - text);
	if (ip6 && (n < 2 || colon[-1] != ']'))
		return false;
	text += ip6;
	n -= ip6 ? 2 : 0;
	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return inet_pton(ip6 ? AF_INET6 : AF_INET, host, binary) == 1;
}

/* RFC 1123, as Kubernetes has it. */
static bool valid_label(const char *text, size_t n)
{
	if (!n || n > 63 || text[0] == '-' || text[n - 1] == '-')
		return false;
	return strspn(text, LETTERS DIGITS "-") >= n;
}

static bool valid_namespace(const char *text)
{
	return valid_label(text, strlen(text));
}

static bool valid_pod(const char *text)
{
	size_t n = strcspn(text, "/");

	if (!text[n] || !valid_label(text, n))
		return false;
	for (text += n + 1;; text += n + 1) {
		n = strcspn(text, ".");
		if (!n || text[0] == '-' || text[n - 1] == '-' || strspn(text, LETTERS DIGITS "-") < n)
			return false;
		if (!text[n])
			return true;
	}
}

/* A name, or digits of an id: nothing that is longer than an id passes for one. */
static bool valid_container(const char *text)
{
	if (made_of(text, "0123456789abcdef") && strlen(text) > 64)
		return false;
	return isalnum((unsigned char)*text) && made_of(text, LETTERS CAPITALS DIGITS "_.-");
}

static bool valid_unit(const char *text)
{
	static const char *const suffixes[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
	const char *dot = strrchr(text, '.');

	if (!dot || dot == text || !made_of(text, LETTERS CAPITALS DIGITS ":-_.\\@"))
		return false;
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (!strcmp(dot, suffixes[i]))
			return true;
	return false;
}

static bool valid_comm(const char *text)
{
	return *text;
}

/* ---- the rows ---- */

#define MEMBER(s, m) (((struct s *)0)->m)
#define KIND(x)                                                                                    \
	_Generic((x), uint64_t : CONFIG_KIND_SIZE, uint32_t : CONFIG_KIND_COUNT, char * : CONFIG_KIND_TEXT, bool : CONFIG_KIND_BOOL, \
		 uint16_t * : CONFIG_KIND_PORTS)
#define AT(s, m) .offset = offsetof(struct s, m), .kind = KIND(MEMBER(s, m))
#define DURATION(s, m) .offset = offsetof(struct s, m), .kind = CONFIG_KIND_DURATION
#define ENUM(s, m, n) .offset = offsetof(struct s, m), .kind = CONFIG_KIND_ENUM, .names = n

static const char *const args_names[] = { "off", "redacted", "full", NULL };
static const char *const stats_names[] = { "off", "sampled", "always", NULL };
static const char *const sink_names[] = { "stdout", "file", NULL };
static const char *const format_names[] = { "json", "table", NULL };

#define RULES(list, n)                                                                             \
	.kind = CONFIG_KIND_RULES, .offset = offsetof(struct config, list),                        \
	.count_offset = offsetof(struct config, n), .max = CONFIG_RULES_MAX, .fallback = "[]"

static const struct config_key top[] = {
	{ "collectors", CONFIG_KIND_SENSORS, CONFIG_RESTART, .fallback = "all",
	  .help = "what is watched: collectors and single sensors" },
	{ "events", CONFIG_KIND_EVENTS, CONFIG_RESTART, .fallback = "as below",
	  .help = "single events switched on (`true`) or off (`false`), over what `collectors` chose" },
	{ "process.args", ENUM(config, args, args_names), .fallback = "redacted",
	  .help = "the arguments of programs: not told, told with secrets replaced, or told as they are" },
	{ "dns.timeout", DURATION(config, dns_timeout_ns), .flags = CONFIG_RESTART, .min = 100 * NS_PER_MS,
	  .max = 60 * NS_PER_S, .fallback = "5s",
	  .help = "how long a question waits for its answer before `dns.timeout` is told of it" },
	{ "dns.ports", AT(config, dns_ports), .flags = CONFIG_RESTART, .fallback = "[53]",
	  .help = "what is sent to or comes from these ports is DNS" },
	{ "dns.mdns", AT(config, dns_mdns), .flags = CONFIG_RESTART, .fallback = "false",
	  .help = "multicast DNS too: port 5353, of which only `dns.query` and `dns.response` are told" },
	{ "filters.include", RULES(include, ninclude),
	  .help = "rules; when there are any, only events that match one of them are told",
	  .example = "- namespace: shop\n- unit: nginx.service\n" },
	{ "filters.exclude", RULES(exclude, nexclude),
	  .help = "rules; events that match one of them are not told, whatever `include` says",
	  .example = "- comm: runc\n- path: /usr/lib/\n  namespace: kube-system\n" },
	{ "buffers.control", AT(config, ring_bytes[TAPIO_RING_CONTROL]), .flags = CONFIG_RESTART | CONFIG_POWER_OF_2,
	  .min = 64 * KIB, .max = GIB, .fallback = "4MiB",
	  .help = "between kernel and agent, for rare events on which identity depends; rounded down to a power of two" },
	{ "buffers.bulk", AT(config, ring_bytes[TAPIO_RING_BULK]), .flags = CONFIG_RESTART | CONFIG_POWER_OF_2,
	  .min = 64 * KIB, .max = GIB, .fallback = "8MiB",
	  .help = "the same for frequent events; rounded down to a power of two" },
	{ "limits.memory", AT(config, memory_bytes), .flags = CONFIG_RESTART, .min = 16 * MIB, .max = 64 * GIB,
	  .fallback = "128MiB", .help = "ceiling for all that the agent holds, buffers, queues and BPF maps included" },
	{ "limits.events_per_second", AT(config, events_per_second), .max = 1000000, .fallback = "1000",
	  .unit = "events/s", .help = "of one cgroup and sensor; what is above is refused and counted; of DNS, lookups of eight packets (over UDP most have two); 0: no limit" },
	{ "limits.cgroups", AT(config, cgroups), .flags = CONFIG_RESTART, .min = 64, .max = 65536, .fallback = "4096",
	  .unit = "cgroups", .help = "how many are remembered" },
	{ "sinks", CONFIG_KIND_SINKS, CONFIG_RESTART, .offset = offsetof(struct config, sinks),
	  .count_offset = offsetof(struct config, nsinks), .min = 1, .max = CONFIG_SINKS_MAX,
	  .fallback = "one of type stdout", .help = "where events go",
	  .example = "- type: file\n  path: /var/log/tapio/events.json\n" },
	{ "listen", AT(config, listen), .flags = CONFIG_RESTART | CONFIG_OFF, .max = 64, .valid = valid_address,
	  .fallback = "127.0.0.1:9477",
	  .allowed = "a numeric address and a port, as in 127.0.0.1:9477 or, in quotes, \"[::1]:9477\"",
	  .help = "where HTTP serves metrics and health; port 0 takes any that is free" },
	{ "socket", AT(config, socket), .flags = CONFIG_RESTART | CONFIG_OFF, .max = 107, .valid = valid_path,
	  .fallback = "/run/tapio/tapio.sock",
	  .allowed = "an absolute path of at most 107 bytes, without '.', '..' or '//'",
	  .help = "the Unix socket of mode 0600 through which `tapio status` and `tapio trace --attach` ask" },
	{ "host_root", AT(config, host_root), .flags = CONFIG_RESTART, .max = TAPIO_PATH_MAX - 1, .valid = valid_root,
	  .fallback = "/", .allowed = "an absolute path without '.', '..' or '//'",
	  .help = "where the host's file system is seen: another place than / in a container" },
	{ "bpf_stats", ENUM(config, bpf_stats, stats_names), .flags = CONFIG_RESTART, .fallback = "sampled",
	  .help = "run time of BPF programs: not measured, for one second of each minute, or always; "
		  "measuring slows every BPF program of the node a little" },
};

static const struct config_key rule[] = {
	{ "namespace", AT(config_rule, namespace_name), .flags = CONFIG_OPTIONAL, .max = 63, .valid = valid_namespace,
	  .allowed = "the name of a Kubernetes namespace", .help = "the Kubernetes namespace of the pod" },
	{ "pod", AT(config_rule, pod), .flags = CONFIG_OPTIONAL, .max = 63 + 1 + 253, .valid = valid_pod,
	  .allowed = "NAMESPACE/NAME, as in shop/cart-0", .help = "the pod" },
	{ "container", AT(config_rule, container), .flags = CONFIG_OPTIONAL, .max = 255, .valid = valid_container,
	  .allowed = "12 to 64 hexadecimal digits of a container's id, or its name",
	  .help = "the container: 12 or more hexadecimal digits are an id or its start, anything else is a name" },
	{ "unit", AT(config_rule, unit), .flags = CONFIG_OPTIONAL, .max = 255, .valid = valid_unit,
	  .allowed = "a systemd unit that can hold processes, with its suffix (.service, .scope, .socket, .mount or "
		     ".swap), as in nginx.service",
	  .help = "the systemd unit, of the machine or of a user" },
	{ "comm", AT(config_rule, comm), .flags = CONFIG_OPTIONAL, .max = TAPIO_COMM_LEN - 1, .valid = valid_comm,
	  .allowed = "a name as in /proc/PID/comm: 1 to 15 bytes, as the kernel cuts it",
	  .help = "the name of the thread, whole" },
	{ "path", AT(config_rule, path), .flags = CONFIG_OPTIONAL, .max = TAPIO_PATH_MAX - 1, .valid = valid_prefix,
	  .allowed = "the start of an absolute path, without '.', '..' or '//'",
	  .help = "how the path of the program begins: `/usr/lib/` matches all below that folder" },
};

#define TYPE                                                                                       \
	{                                                                                          \
		"type", ENUM(config_sink, type, sink_names), .help = "which kind of sink this is"  \
	}
#define QUEUE(size)                                                                                \
	{                                                                                          \
		"queue", AT(config_sink, queue_bytes), .min = 64 * KIB, .max = GIB, .fallback = size, \
		.help = "what waits to be written; what does not fit is dropped and counted"       \
	}

static const struct config_key sink_stdout[] = {
	TYPE,
	{ "format", ENUM(config_sink, format, format_names), .fallback = "json",
	  .help = "JSON Lines, or a table for people" },
	QUEUE("4MiB"),
};

static const struct config_key sink_file[] = {
	TYPE,
	{ "path", AT(config_sink, path), .max = TAPIO_PATH_MAX - 64, .valid = valid_path,
	  .allowed = "an absolute path without '.', '..' or '//', as in /var/log/tapio/events.json",
	  .help = "the file, made with mode 0600: JSON Lines" },
	{ "max_bytes", AT(config_sink, max_bytes), .min = 64 * KIB, .max = 1024 * GIB, .fallback = "100MiB",
	  .help = "size of one file, after which the next one is begun" },
	{ "keep", AT(config_sink, keep), .max = 1000, .fallback = "5", .unit = "files",
	  .help = "how many full files stay beside the one that is written" },
	QUEUE("8MiB"),
};

const struct config_keys config_top_keys = { "", top, COUNT_OF(top) };
const struct config_keys config_rule_keys = { " of a rule", rule, COUNT_OF(rule) };
const struct config_keys config_sink_keys[CONFIG_SINK_TYPES] = {
	[CONFIG_SINK_STDOUT] = { " of a sink of type stdout", sink_stdout, COUNT_OF(sink_stdout) },
	[CONFIG_SINK_FILE] = { " of a sink of type file", sink_file, COUNT_OF(sink_file) },
};

const struct config_key *config_key_find(const struct config_keys *set, const char *name)
{
	for (unsigned i = 0; i < set->n; i++)
		if (!strcmp(set->keys[i].name, name))
			return &set->keys[i];
	return NULL;
}

bool config_key_is_section(const struct config_keys *set, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < set->n; i++)
		if (!strncmp(set->keys[i].name, name, n) && set->keys[i].name[n] == '.')
			return true;
	return false;
}

/* ---- events ---- */

/*
 * On a node that does nothing but what CONFIG_EXPECTED_NODE says, by what was measured with runc 1.1.5
 * and a probe of one program: `runc exec`, `runc init` twice (it runs again from a copy of itself in
 * memory) and the program are 4 execs; with runc's helper they are 4 processes.
 */
static const char *const expected[TAPIO_EV_MAX] = {
	[TAPIO_EV_LOST] = "0; while something is lost, at most one a second for each sensor and cause",
	[TAPIO_EV_PROCESS_EXEC] = "43,200: 4 for each probe, and 1 for each other program that is started",
	[TAPIO_EV_PROCESS_EXEC_FAILED] = "0; shells that try each folder of PATH in turn make 1 for each in vain",
	[TAPIO_EV_PROCESS_EXIT] = "43,200: 4 for each probe, and 1 for each other process",
	[TAPIO_EV_PROCESS_FORK] = "43,200: 4 for each probe, and 1 for each other process",
	[TAPIO_EV_IDENTITY] = "0; 1 for each cgroup of which events were told before its names were known",
	[TAPIO_EV_DNS_LOOKUP] = "0; 1 for each question of a program that looks up names, with `ndots:5` and three search "
				"domains 8 for a name outside of the cluster",
	[TAPIO_EV_DNS_TIMEOUT] = "0; 1 for each question that nobody answers",
	[TAPIO_EV_DNS_QUERY] = "0; 1 for each question and attempt, 2 if its server is on this node too",
	[TAPIO_EV_DNS_RESPONSE] = "0; 1 for each answer, 2 if its server is on this node too",
	[TAPIO_EV_DNS_ERROR] = "0; 1 for each message that is malformed, late or belongs to no question",
	[TAPIO_EV_DNS_ENCRYPTED] = "0; 1 for each connection to port 853",
	[TAPIO_EV_STARTED] = "1 for each start of the agent",
};

const char *config_expected(unsigned type)
{
	return type < TAPIO_EV_MAX ? expected[type] : NULL;
}

uint64_t config_sensor_events(const char *name)
{
	uint64_t events = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor &&
		    (!strcmp(name, collector_name(desc->sensor)) || !strcmp(name, sensor_name(desc->sensor))))
			events |= CONFIG_EVENT(type);
	}
	return events;
}

uint64_t config_default_events(uint64_t events)
{
	uint64_t on = 0;

	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		if (desc && desc->sensor && !desc->off)
			on |= CONFIG_EVENT(type) & events;
	}
	return on;
}

uint64_t config_sensors_of(uint64_t events)
{
	uint64_t all = 0;

	for (unsigned sensor = 0; sensor < TAPIO_SENSOR_MAX; sensor++) {
		uint64_t own = sensor_name(sensor) ? config_sensor_events(sensor_name(sensor)) : 0;

		if (own & events)
			all |= own;
	}
	return all;
}

/* Whether an earlier sensor is of the same collector, which then was told already. */
static bool collector_told(unsigned sensor)
{
	for (unsigned i = 0; i < sensor; i++)
		if (collector_name(i) && !strcmp(collector_name(i), collector_name(sensor)))
			return true;
	return false;
}

void config_each_sensor(uint64_t events, void (*each)(const char *name, void *arg), void *arg)
{
	uint64_t chosen = config_sensors_of(events);

	for (unsigned sensor = 0; sensor < TAPIO_SENSOR_MAX; sensor++) {
		uint64_t all, own;

		if (!sensor_name(sensor))
			continue;
		all = config_sensor_events(collector_name(sensor));
		own = config_sensor_events(sensor_name(sensor));
		if (all && (all & chosen) == all) {
			if (!collector_told(sensor))
				each(collector_name(sensor), arg);
		} else if (own & chosen) {
			each(sensor_name(sensor), arg);
		}
	}
}
