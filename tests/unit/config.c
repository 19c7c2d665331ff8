/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/config.h"
#include "cli/config_table.h"
#include "event/table.h"
#include "tests/strict.h"
#include "tests/test.h"

#define LISTEN "wanted is a numeric address and a port, as in 127.0.0.1:9477 or, in quotes, \"[::1]:9477\", or off"
#define BIT(type) (1ull << (type))

static struct config config;
static char why[CONFIG_WHY_MAX];

static int parse(const char *text)
{
	config_free(&config);
	why[0] = '\0';
	return config_parse("f.yaml", text, strlen(text), &config, why, sizeof(why));
}

#define TAKES(text) REQUIRE(!parse(text), "%s: %s", text, why)

static char *printed(const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	REQUIRE(to, "open_memstream: %s", strerror(errno));
	config_print(c, to);
	fclose(to);
	return text;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* ---- defaults ---- */

static void check_defaults(const struct config *c, const char *of)
{
	for (unsigned type = 0; type < TAPIO_EV_MAX; type++) {
		const struct event_desc *desc = event_desc_by_type(type);

		CHECK((c->events >> type & 1) == (desc && desc->sensor && !desc->off), "%s: %s", of, desc ? desc->name : "?");
	}
	CHECK(c->args == CONFIG_ARGS_REDACTED && c->bpf_stats == CONFIG_STATS_SAMPLED, "%s", of);
	CHECK(!c->ninclude && !c->nexclude, "%s: rules", of);
	CHECK(c->ring_bytes[TAPIO_RING_CONTROL] == 4 << 20 && c->ring_bytes[TAPIO_RING_BULK] == 8 << 20, "%s: rings", of);
	CHECK(c->memory_bytes == 128 << 20 && c->events_per_second == 1000 && c->cgroups == 4096, "%s: limits", of);
	CHECK(c->nsinks == 1 && c->sinks[0].type == CONFIG_SINK_STDOUT && c->sinks[0].format == CONFIG_FORMAT_JSON &&
		      c->sinks[0].queue_bytes == 4 << 20 && !c->sinks[0].path,
	      "%s: sinks", of);
	CHECK(same(c->listen, "127.0.0.1:9477") && same(c->socket, "/run/tapio/tapio.sock") && same(c->host_root, "/"),
	      "%s: %s %s %s", of, c->listen, c->socket, c->host_root);
	CHECK(c->dns_timeout_ns == 5000000000 && c->dns_ports[0] == 53 && !c->dns_ports[1] && !c->dns_mdns, "%s: dns", of);
}

TEST(unit, config_defaults_are_these)
{
	static const char *const nothing[] = { "", "\n", "# a comment\n", "---\n", "---\n...\n", "{}", "~", "\xef\xbb\xbf",
					       "limits:\nfilters:\n  include:\nsinks: ~\nevents:\ncollectors: null\n" };

	REQUIRE(!config_defaults(&config), "no memory");
	check_defaults(&config, "config_defaults");
	for (unsigned i = 0; i < COUNT_OF(nothing); i++) {
		TAKES(nothing[i]);
		check_defaults(&config, nothing[i]);
	}
}

/* The documented default of a row, read as a user would write it, is what config_defaults gives. */
TEST(unit, config_rows_document_the_defaults)
{
	unsigned checked = 0;

	for (unsigned i = 0; i < config_top_keys.n; i++) {
		const struct config_key *key = &config_top_keys.keys[i];
		const char *dot = strchr(key->name, '.'), *quote = key->kind == CONFIG_KIND_PORTS ? "" : "\"";
		_cleanup_free_ char *defaults = NULL, *text = NULL;
		char yaml[256];

		CHECK(key->help && key->fallback, "%s", key->name);
		if (!CONFIG_SINGLE(key))
			continue;
		if (dot)
			snprintf(yaml, sizeof(yaml), "%.*s: {%s: %s%s%s}", (int)(dot - key->name), key->name, dot + 1, quote,
				 key->fallback, quote);
		else
			snprintf(yaml, sizeof(yaml), "%s: \"%s\"", key->name, key->fallback);
		TAKES(yaml);
		check_defaults(&config, yaml);
		checked++;
	}
	CHECK(checked == 13, "%u", checked);
}

TEST(unit, config_sinks_have_their_defaults)
{
	TAKES("sinks: [{type: file, path: /x}, {type: stdout}]");
	CHECK(config.nsinks == 2 && config.sinks[0].type == CONFIG_SINK_FILE && same(config.sinks[0].path, "/x") &&
		      config.sinks[0].max_bytes == 100 << 20 && config.sinks[0].keep == 5 &&
		      config.sinks[0].queue_bytes == 8 << 20,
	      "file");
	CHECK(config.sinks[1].type == CONFIG_SINK_STDOUT && config.sinks[1].queue_bytes == 4 << 20, "stdout");
}

/* ---- what is taken ---- */

TEST(unit, config_takes_every_key)
{
	uint16_t ports[TAPIO_DNS_PORTS_MAX];

	TAKES("process: {args: full}\n"
	      "dns: {timeout: 1500ms, ports: [53, 5300, 1053], mdns: yes}\n"
	      "filters:\n"
	      "  include: [{namespace: shop}, {unit: nginx.service, comm: nginx}]\n"
	      "  exclude: [{pod: shop/cart-0.x}, {container: 0123456789abcdef, path: /usr/lib/}]\n"
	      "buffers: {control: 65536, bulk: 5MiB}\n"
	      "limits: {memory: 1GiB, events_per_second: 0, cgroups: 64}\n"
	      "sinks:\n"
	      "- {type: file, path: /var/log/x, max_bytes: 64KiB, keep: 0, queue: 1MiB}\n"
	      "- {queue: 64KiB, type: stdout, format: table}\n"
	      "listen: '[::1]:80'\n"
	      "socket: /s\nhost_root: /host\nbpf_stats: always\n");
	CHECK(config.args == CONFIG_ARGS_FULL && config.bpf_stats == CONFIG_STATS_ALWAYS, "enums");
	CHECK(config.dns_timeout_ns == 1500000000 && config.dns_mdns, "dns");
	CHECK(!config_dns_ports(&config, ports) && ports[0] == 53 && ports[1] == 5300 && ports[2] == 1053 && ports[3] == 5353,
	      "dns.ports: %u %u %u %u", ports[0], ports[1], ports[2], ports[3]);
	CHECK(config.ninclude == 2 && config.nexclude == 2, "%u %u", config.ninclude, config.nexclude);
	CHECK(same(config.include[0].namespace_name, "shop") && !config.include[0].unit, "include[0]");
	CHECK(same(config.include[1].unit, "nginx.service") && same(config.include[1].comm, "nginx"), "include[1]");
	CHECK(same(config.exclude[0].pod, "shop/cart-0.x"), "exclude[0]");
	CHECK(same(config.exclude[1].container, "0123456789abcdef") && same(config.exclude[1].path, "/usr/lib/"), "exclude[1]");
	CHECK(config.ring_bytes[TAPIO_RING_CONTROL] == 65536 && config.ring_bytes[TAPIO_RING_BULK] == 4 << 20,
	      "not rounded down: %llu", (unsigned long long)config.ring_bytes[TAPIO_RING_BULK]);
	CHECK(config.memory_bytes == 1 << 30 && !config.events_per_second && config.cgroups == 64, "limits");
	CHECK(config.nsinks == 2 && config.sinks[0].max_bytes == 65536 && !config.sinks[0].keep &&
		      config.sinks[0].queue_bytes == 1 << 20 && config.sinks[1].format == CONFIG_FORMAT_TABLE &&
		      config.sinks[1].queue_bytes == 65536,
	      "sinks");
	CHECK(same(config.listen, "[::1]:80") && same(config.socket, "/s") && same(config.host_root, "/host"), "texts");
}

TEST(unit, config_events_change_what_collectors_chose)
{
	uint64_t usual;

	TAKES("collectors: [process]");
	usual = config.events;
	TAKES("events: {process.fork: true, process.exec: no}\ncollectors: [process]");
	CHECK(config.events == ((usual | BIT(TAPIO_EV_PROCESS_FORK)) & ~BIT(TAPIO_EV_PROCESS_EXEC)), "%llx",
	      (unsigned long long)config.events);
}

/* What YAML 1.1 and tools that write YAML make of words. */
TEST(unit, config_words)
{
	static const char *const off[] = { "off", "no", "false", "False", "OFF", "'off'", "\"false\"" };
	static const char *const on[] = { "on", "yes", "true", "TRUE" };
	char yaml[128];

	for (unsigned i = 0; i < COUNT_OF(off); i++) {
		snprintf(yaml, sizeof(yaml), "listen: %s\nsocket: %s\nbpf_stats: %s\nprocess: {args: %s}", off[i], off[i], off[i],
			 off[i]);
		TAKES(yaml);
		CHECK(!config.listen && !config.socket && config.bpf_stats == CONFIG_STATS_OFF && config.args == CONFIG_ARGS_OFF,
		      "%s", off[i]);
	}
	for (unsigned i = 0; i < COUNT_OF(on); i++) {
		snprintf(yaml, sizeof(yaml), "events: {process.fork: %s}", on[i]);
		TAKES(yaml);
		CHECK(config.events & BIT(TAPIO_EV_PROCESS_FORK), "%s", on[i]);
	}
	TAKES("filters: {exclude: [{comm: yes}, {comm: off}, {comm: 'null'}, {comm: '~'}, {comm: 0x10}]}");
	CHECK(same(config.exclude[0].comm, "yes") && same(config.exclude[1].comm, "off") &&
		      same(config.exclude[2].comm, "null") && same(config.exclude[3].comm, "~") &&
		      same(config.exclude[4].comm, "0x10"),
	      "names that are words to YAML");
}

TEST(unit, config_example_is_taken)
{
	extern const char deploy_yaml[], deploy_yaml_end[];
	size_t n = (size_t)(deploy_yaml_end - deploy_yaml);

	__asm__(".pushsection .rodata\n"
		".global deploy_yaml, deploy_yaml_end\n"
		"deploy_yaml: .incbin \"deploy/tapio.yaml\"\n"
		"deploy_yaml_end: .byte 0\n"
		".popsection");
	REQUIRE(!config_parse("deploy/tapio.yaml", deploy_yaml, n, &config, why, sizeof(why)), "%s", why);
	CHECK(config.nsinks == 1 && config.sinks[0].type == CONFIG_SINK_FILE && config.nexclude == 2, "another example");
}

/* ---- sizes ---- */

static char big[CONFIG_FILE_MAX + 2];

/* A list of so many elements. */
static void fill_list(const char *before, const char *element, unsigned n, const char *after)
{
	char *p = stpcpy(big, before);

	while (n--)
		p = stpcpy(p, element);
	strcpy(p, after);
}

TEST(unit, config_is_bounded)
{
	fill_list("filters: {include: [", "{comm: x},", CONFIG_RULES_MAX, "]}");
	TAKES(big);
	CHECK(config.ninclude == CONFIG_RULES_MAX, "%u", config.ninclude);
	fill_list("filters: {include: [", "{comm: x},", CONFIG_RULES_MAX + 1, "]}");
	CHECK(parse(big) == -EINVAL && !strcmp(why, "f.yaml:1: filters.include[64]: more than 64 rules"), "%s", why);
	fill_list("collectors: [", "kernel,", 9000, "]");
	CHECK(parse(big) == -EINVAL && !strcmp(why, "f.yaml:1: collectors: more than 8192 values in one file"), "%s", why);
	memset(big, ' ', sizeof(big) - 1);
	big[CONFIG_FILE_MAX] = '\0';
	TAKES(big);
	big[CONFIG_FILE_MAX] = ' ';
	CHECK(parse(big) == -EFBIG && !strcmp(why, "f.yaml:1: more than 262144 bytes"), "%s", why);
	for (unsigned i = 0; i < CONFIG_FILE_MAX; i++)
		big[i] = '[';
	CHECK(parse(big) == -EFBIG, "%s", why);
	big[CONFIG_FILE_MAX] = '\0';
	CHECK(parse(big) == -EINVAL, "%s", why);
}

TEST(unit, config_bounds_the_keys_of_a_map)
{
	char *p = big;

	for (unsigned i = 0; i < 300; i++)
		p += sprintf(p, "k%u: 1\n", i);
	CHECK(parse(big) == -EINVAL && !strcmp(why, "f.yaml:257: more than 256 keys"), "%s", why);
}

/* A long name and a small buffer are cut, not overrun. */
TEST(unit, config_messages_fit)
{
	char small[8] = "1234567";

	CHECK(config_parse("f", "x: 1", 4, &config, small, 4) == -EINVAL && !memcmp(small, "f:1\0" "567", 8), "%s", small);
	fill_list("", "x", 5000, ": 1");
	CHECK(parse(big) == -EINVAL && strlen(why) < 400, "%s", why);
	fill_list("'", "\xf0\x9f\x98\x80", 200, "': 1");
	CHECK(parse(big) == -EINVAL && strict_harmless_text(why, strlen(why)), "%s", why);
}

/* ---- printing ---- */

static void check_round_trip(const char *yaml)
{
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct config again = {};

	TAKES(yaml);
	first = printed(&config);
	REQUIRE(!config_parse("printed", first, strlen(first), &again, why, sizeof(why)), "%s\n%s", why, first);
	second = printed(&again);
	CHECK(!strcmp(first, second), "%s\nand then\n%s", first, second);
	CHECK(again.events == config.events && again.ninclude == config.ninclude && again.nsinks == config.nsinks, "%s", first);
	for (unsigned i = 0; i < config.ninclude; i++)
		CHECK(same(again.include[i].comm, config.include[i].comm) && same(again.include[i].unit, config.include[i].unit) &&
			      same(again.include[i].path, config.include[i].path),
		      "%s", first);
	config_free(&again);
}

TEST(unit, config_prints_what_it_takes)
{
	check_round_trip("");
	check_round_trip("collectors: [process]\nevents: {process.fork: true, process.exit: false}");
	check_round_trip("listen: off\nsocket: off\nprocess: {args: off}\nbpf_stats: off");
	check_round_trip("listen: '[::]:0'\nbuffers: {control: 70000, bulk: 100KiB}\nlimits: {memory: 99999999}");
	check_round_trip("sinks: [{type: file, path: '/a b: # \"\\', max_bytes: 65537}, {type: stdout, format: table}]");
	check_round_trip("filters: {include: [{comm: \"\\\"'\\\\\\n\\t\\e\\x85\\u2028\"}, {comm: '- a: b #'}, {comm: \"\\u00e4\\U0001f600\"},"
			 "{unit: 'a-b\\x2dc@d:e.service'}, {comm: '~'}, {comm: 'no'}, {comm: '1e3'}, {comm: '0x1'}, {comm: ' x '},"
			 "{comm: '*a'}, {comm: '!t'}, {comm: '%d'}, {comm: '@x'}, {comm: '`'}, {comm: \"\\uFFFF\\uFEFF\"}, {path: \"/\\n\"}]}");
}

TEST(unit, config_prints_this)
{
	_cleanup_free_ char *text = NULL;

	TAKES("filters: {exclude: [{path: /usr/lib/, namespace: kube-system}, {comm: 'a b'}]}\nlisten: '[::1]:1'\nsocket: off\n"
	      "sinks: [{type: file, path: /x}]");
	text = printed(&config);
	CHECK(strstr(text, "\nfilters:\n  include: []\n  exclude:\n    - namespace: kube-system\n      path: /usr/lib/\n"
			   "    - comm: \"a b\"\nbuffers:\n  control: 4MiB\n  bulk: 8MiB\n"),
	      "%s", text);
	CHECK(strstr(text, "\nsinks:\n  - type: file\n    path: /x\n    max_bytes: 100MiB\n    keep: 5\n    queue: 8MiB\n"
			   "listen: \"[::1]:1\"\nsocket: off\nhost_root: /\n"),
	      "%s", text);
}

TEST(unit, config_prints_times_and_ports)
{
	static const char *const given[][2] = { { "60s", "1m" }, { "1500ms", "1500ms" }, { "2000ms", "2s" } };

	for (unsigned i = 0; i < COUNT_OF(given); i++) {
		_cleanup_free_ char *text = NULL;
		char yaml[64], wanted[96];

		snprintf(yaml, sizeof(yaml), "dns: {timeout: %s, ports: [53, 5300]}", given[i][0]);
		snprintf(wanted, sizeof(wanted), "\ndns:\n  timeout: %s\n  ports: [53, 5300]\n  mdns: false\n", given[i][1]);
		TAKES(yaml);
		text = printed(&config);
		CHECK(strstr(text, wanted), "%s", text);
		TAKES(text);
	}
}

/* ---- setting and comparing ---- */

TEST(unit, config_set_sets_one_key)
{
	REQUIRE(!config_defaults(&config), "no memory");
	CHECK(!config_set(&config, "listen", "off", why, sizeof(why)) && !config.listen, "listen");
	CHECK(!config_set(&config, "limits.memory", "1GiB", why, sizeof(why)) && config.memory_bytes == 1 << 30, "memory");
	CHECK(config_set(&config, "host_root", "x", why, sizeof(why)) == -EINVAL && same(config.host_root, "/") &&
		      !strcmp(why, "'x': wanted is an absolute path without '.', '..' or '//'"),
	      "%s", why);
	CHECK(config_set(&config, "host_root", "/\xff", why, sizeof(why)) == -EINVAL && same(config.host_root, "/"), "not UTF-8");
	CHECK(config_set(&config, "sinks", "x", why, sizeof(why)) == -ENOENT, "sinks");
	CHECK(config_set(&config, "limits", "x", why, sizeof(why)) == -ENOENT, "limits");
}

TEST(unit, config_tells_what_takes_a_restart)
{
	struct config running;
	char keys[64];

	REQUIRE(!config_defaults(&running), "no memory");
	TAKES("process: {args: full}\nfilters: {include: [{comm: x}]}\nlimits: {events_per_second: 5}");
	CHECK(!config_needs_restart(&running, &config, keys, sizeof(keys)) && !*keys, "%s", keys);
	TAKES("sinks: [{type: stdout, format: table}]\nbpf_stats: off");
	CHECK(config_needs_restart(&running, &config, keys, sizeof(keys)) && !strcmp(keys, "sinks, bpf_stats"), "%s", keys);
	TAKES("listen: 127.0.0.1:1\nsocket: /run/tapio/tapio.sock\nbuffers: {bulk: 9MiB, control: 8MiB}\nevents: {process.fork: on}");
	CHECK(config_needs_restart(&running, &config, keys, sizeof(keys)) && !strcmp(keys, "events, buffers.control, listen"), "%s",
	      keys);
	CHECK(config_needs_restart(&running, &config, keys, 4) && !strcmp(keys, "eve"), "%s", keys);
	config_free(&running);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "we");

	REQUIRE(f && fputs(text, f) >= 0 && !fflush(f), "%s: %s", path, strerror(errno));
}

TEST(unit, config_reads_files)
{
	char dir[] = "/tmp/tapio-test.XXXXXX", file[64], fifo[64], wanted[256];

	REQUIRE(mkdtemp(dir), "mkdtemp: %s", strerror(errno));
	snprintf(file, sizeof(file), "%s/f", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	write_file(file, "listen: off\n");
	CHECK(!config_read(file, &config, why, sizeof(why)) && !config.listen, "%s", why);
	config_free(&config);
	write_file(file, "\nlisten: x\n");
	snprintf(wanted, sizeof(wanted), "%s:2: listen: 'x': " LISTEN, file);
	CHECK(config_read(file, &config, why, sizeof(why)) == -EINVAL && !strcmp(why, wanted), "%s", why);
	memset(big, ' ', sizeof(big) - 1);
	write_file(file, big);
	CHECK(config_read(file, &config, why, sizeof(why)) == -EFBIG && strstr(why, "more than 262144 bytes"), "%s", why);
	unlink(file);
	snprintf(wanted, sizeof(wanted), "%s: No such file or directory", file);
	CHECK(config_read(file, &config, why, sizeof(why)) == -ENOENT && !strcmp(why, wanted), "%s", why);
	snprintf(wanted, sizeof(wanted), "%s: a directory: a file is wanted", dir);
	CHECK(config_read(dir, &config, why, sizeof(why)) == -EISDIR && !strcmp(why, wanted), "%s", why);
	REQUIRE(!mkfifo(fifo, 0600), "mkfifo: %s", strerror(errno));
	snprintf(wanted, sizeof(wanted), "%s: not a regular file: a file is wanted, or - for standard input", fifo);
	CHECK(config_read(fifo, &config, why, sizeof(why)) == -EINVAL && !strcmp(why, wanted), "%s", why);
	unlink(fifo);
	rmdir(dir);
	CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) == 3, "a descriptor leaked");
}

TEST(unit, config_reads_standard_input)
{
	int ends[2];

	REQUIRE(!pipe2(ends, O_CLOEXEC) && dup2(ends[0], 0) == 0, "pipe: %s", strerror(errno));
	REQUIRE(write(ends[1], "listen: 1\n", 10) == 10, "write: %s", strerror(errno));
	close(ends[1]);
	CHECK(config_read("-", &config, why, sizeof(why)) == -EINVAL &&
		      !strcmp(why, "standard input:1: listen: '1': " LISTEN),
	      "%s", why);
}

/* ---- documents ---- */

/* Takes each block of YAML in a text; the number of them. */
static unsigned take_blocks(char *text)
{
	unsigned blocks = 0;
	char *end;

	for (; (text = strstr(text, "```yaml\n")); text = end, blocks++) {
		text += strlen("```yaml\n");
		end = strstr(text, "\n```");
		REQUIRE(end, "an open block");
		CHECK(!config_parse("block", text, (size_t)(end + 1 - text), &config, why, sizeof(why)), "%s in:\n%.*s", why,
		      (int)(end - text), text);
		if (!blocks)
			check_defaults(&config, "the example of all keys");
		config_free(&config);
	}
	return blocks;
}

TEST(unit, config_documents_every_key_and_event)
{
	const struct config_keys *sets[] = { &config_top_keys, &config_rule_keys, &config_sink_keys[0], &config_sink_keys[1] };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	char row[128];

	REQUIRE(to, "no memory");
	config_print_docs(to);
	fclose(to);
	CHECK(strict_utf8(text, size), "not UTF-8");
	for (unsigned i = 0; i < COUNT_OF(sets); i++)
		for (unsigned k = 0; k < sets[i]->n; k++) {
			snprintf(row, sizeof(row), "\n| `%s` | ", sets[i]->keys[k].name);
			CHECK(strstr(text, row), "no %s", sets[i]->keys[k].name);
		}
	for (unsigned type = 1; type < TAPIO_EV_MAX; type++) {
		if (!event_desc_by_type(type))
			continue;
		snprintf(row, sizeof(row), "\n| `%s` | ", event_desc_by_type(type)->name);
		CHECK(strstr(text, row), "no %s", event_desc_by_type(type)->name);
	}
	CHECK(take_blocks(text) == 5, "blocks");
}
