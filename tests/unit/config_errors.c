/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration may not say, and the exact words for it. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/config.h"
#include "tests/strict.h"
#include "tests/test.h"

static struct config config;
static char why[CONFIG_WHY_MAX];

static int parse(const char *text)
{
	config_free(&config);
	why[0] = '\0';
	return config_parse("f.yaml", text, strlen(text), &config, why, sizeof(why));
}

#define SIZE(range) "wanted is a size from " range
#define UNITS " (whole numbers; the units are KiB, MiB and GiB, right after the number)"
#define PORTS "wanted is a list of 1 to 4 different ports, as in [53, 5300]"
#define PATHS "wanted is an absolute path"
#define LISTEN "wanted is a numeric address and a port, as in 127.0.0.1:9477 or, in quotes, \"[::1]:9477\", or off"
#define UNIT                                                                                       \
	"wanted is a systemd unit that can hold processes, with its suffix (.service, .scope, .socket, .mount or " \
	".swap), as in nginx.service"
#define TOP                                                                                        \
	"allowed here: collectors, events, process, dns, filters, buffers, limits, sinks, listen, socket, host_root, bpf_stats"
#define RULE "allowed here: namespace, pod, container, unit, comm, path"
#define COMM "wanted is a name as in /proc/PID/comm: 1 to 15 bytes, as the kernel cuts it"
#define CONTAINER "wanted is 12 to 64 hexadecimal digits of a container's id, or its name"
#define ID60 "012345678901234567890123456789012345678901234567890123456789"
#define LINE(n, text) "f.yaml:" #n ": " text

static const struct {
	const char *text, *why;
} wrong[] = {
	/* keys */
	{ "limit: 1", LINE(1, "limit: unknown key; did you mean 'limits'? " TOP) },
	{ "\n\nlimits:\n  memry: 1",
	  LINE(4, "limits.memry: unknown key; did you mean 'memory'? allowed here: memory, events_per_second, cgroups") },
	{ "memory: 1GiB", LINE(1, "memory: unknown key; did you mean 'limits.memory'? " TOP) },
	{ "limits.memory: 1GiB", LINE(1, "limits.memory: unknown key; " TOP) },
	{ "zebra: 1", LINE(1, "zebra: unknown key; " TOP) },
	{ "'': 1", LINE(1, "unknown key; " TOP) },
	{ "<<: {listen: off}", LINE(1, "<<: unknown key; " TOP) },
	{ "\"a\\e[31m\\n\\u202e\": 1", LINE(1, "a?[31m??: unknown key; " TOP) },
	{ "filters: {exclude: [{comm: x}, {nmaespace: y}]}",
	  LINE(1, "filters.exclude[1].nmaespace: unknown key of a rule; did you mean 'namespace'? " RULE) },
	{ "sinks: [{type: file, path: /x, format: json}]",
	  LINE(1, "sinks[0].format: unknown key of a sink of type file; allowed here: type, path, max_bytes, keep, queue") },
	{ "sinks: [{type: stdout, path: /x}]",
	  LINE(1, "sinks[0].path: unknown key of a sink of type stdout; allowed here: type, format, queue") },
	{ "listen: off\nsocket: off\nlisten: off", LINE(3, "listen: given twice: it is in line 1 already") },
	{ "limits: {cgroups: 64}\nbuffers: {}\nlimits: {cgroups: 65}", LINE(3, "limits: given twice: it is in line 1 already") },
	{ "limits:\n  cgroups: 64\n  cgroups: 64", LINE(3, "limits.cgroups: given twice: it is in line 2 already") },
	/* shapes */
	{ "just text", LINE(1, "'just text': wanted is a map of keys, as in 'listen: off'") },
	{ "- a", LINE(1, "a list: wanted is a map of keys, as in 'listen: off'") },
	{ "limits: 5", LINE(1, "limits: '5': wanted is a map") },
	{ "limits: [5]", LINE(1, "limits: a list: wanted is a map") },
	{ "filters: {include: {comm: x}}", LINE(1, "filters.include: a map: wanted is a list of rules") },
	{ "filters: {include: [comm]}", LINE(1, "filters.include[0]: 'comm': wanted is a map, as in {namespace: shop}") },
	{ "filters: {include: [{comm: [a, b]}]}", LINE(1, "filters.include[0].comm: a list: " COMM) },
	{ "sinks: stdout", LINE(1, "sinks: 'stdout': wanted is a list of sinks") },
	{ "sinks: [stdout]", LINE(1, "sinks[0]: 'stdout': wanted is a map, as in {type: stdout}") },
	{ "listen: {a: b}", LINE(1, "listen: a map: " LISTEN) },
	{ "listen:", LINE(1, "listen: no value: " LISTEN) },
	{ "process:\n  args: ~", LINE(2, "process.args: no value: wanted is off, redacted or full") },
	/* collectors and events */
	{ "collectors: kernel", LINE(1, "collectors: 'kernel': wanted is a list of collectors and sensors, as in [kernel]") },
	{ "collectors: []", LINE(1, "collectors: an empty list: wanted is a list of collectors and sensors, as in [kernel]") },
	{ "collectors: [kernal]", LINE(1, "collectors[0]: 'kernal': no such collector or sensor; did you mean 'kernel'? "
					  "collectors are: kernel, dns ('tapio check' lists their sensors)") },
	{ "collectors: [[kernel]]", LINE(1, "collectors[0]: a list: wanted is the name of a collector or sensor") },
	{ "events: [process.fork]", LINE(1, "events: a list: wanted is a map of events, as in {process.fork: true}") },
	{ "events: {process.frok: true}",
	  LINE(1, "events.process.frok: no such event; did you mean 'process.fork'? 'tapio schema' lists them") },
	{ "events: {x: true}", LINE(1, "events.x: no such event; 'tapio schema' lists them") },
	{ "events: {tapio.lost: false}",
	  LINE(1, "events.tapio.lost: cannot be switched: it is told whenever something is lost") },
	{ "events: {process.fork: 1}", LINE(1, "events.process.fork: '1': wanted is true or false") },
	{ "collectors: [process]\nevents: {process.exec: off, process.exec_failed: off, process.exit: off}",
	  LINE(2, "events: every event is switched off: there is nothing to watch") },
	/* words and numbers */
	{ "process: {args: all}", LINE(1, "process.args: 'all': wanted is off, redacted or full") },
	{ "bpf_stats: on", LINE(1, "bpf_stats: 'on': wanted is off, sampled or always") },
	{ "limits: {memory: 1 fortnight}", LINE(1, "limits.memory: '1 fortnight': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 128MB}", LINE(1, "limits.memory: '128MB': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 128Mi}", LINE(1, "limits.memory: '128Mi': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 1.5GiB}", LINE(1, "limits.memory: '1.5GiB': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 15MiB}", LINE(1, "limits.memory: '15MiB': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 16777215}", LINE(1, "limits.memory: '16777215': " SIZE("16MiB to 64GiB, as in 128MiB")) },
	{ "limits: {memory: 65GiB}", LINE(1, "limits.memory: '65GiB': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: 17179869185GiB}",
	  LINE(1, "limits.memory: '17179869185GiB': " SIZE("16MiB to 64GiB, as in 128MiB") UNITS) },
	{ "limits: {memory: -1}", LINE(1, "limits.memory: '-1': " SIZE("16MiB to 64GiB, as in 128MiB")) },
	{ "limits: {memory: 99999999999999999999999}",
	  LINE(1, "limits.memory: '99999999999999999999999': " SIZE("16MiB to 64GiB, as in 128MiB")) },
	{ "buffers: {bulk: ''}", LINE(1, "buffers.bulk: '': " SIZE("64KiB to 1GiB, as in 8MiB")) },
	{ "limits: {cgroups: 0128}",
	  LINE(1, "limits.cgroups: '0128': wanted is a whole number from 64 to 65536 (without leading zeros)") },
	{ "limits: {cgroups: 1_000}",
	  LINE(1, "limits.cgroups: '1_000': wanted is a whole number from 64 to 65536 (digits only, without '_')") },
	{ "limits: {cgroups: 0x80}", LINE(1, "limits.cgroups: '0x80': wanted is a whole number from 64 to 65536") },
	{ "limits: {cgroups: 1e3}", LINE(1, "limits.cgroups: '1e3': wanted is a whole number from 64 to 65536") },
	{ "limits: {cgroups: 63}", LINE(1, "limits.cgroups: '63': wanted is a whole number from 64 to 65536") },
	{ "limits: {cgroups: 65537}", LINE(1, "limits.cgroups: '65537': wanted is a whole number from 64 to 65536") },
	{ "limits: {events_per_second: 4294967297}",
	  LINE(1, "limits.events_per_second: '4294967297': wanted is a whole number from 0 to 1000000") },
	/* addresses and paths */
	{ "listen: localhost:9477", LINE(1, "listen: 'localhost:9477': " LISTEN) },
	{ "listen: :9477", LINE(1, "listen: ':9477': " LISTEN) },
	{ "listen: 9477", LINE(1, "listen: '9477': " LISTEN) },
	{ "listen: 127.0.0.1", LINE(1, "listen: '127.0.0.1': " LISTEN) },
	{ "listen: 127.0.0.1:65536", LINE(1, "listen: '127.0.0.1:65536': " LISTEN) },
	{ "listen: 127.0.0.1:080", LINE(1, "listen: '127.0.0.1:080': " LISTEN) },
	{ "listen: 127.0.0.256:80", LINE(1, "listen: '127.0.0.256:80': " LISTEN) },
	{ "listen: ::1:80", LINE(1, "listen: '::1:80': " LISTEN) },
	{ "listen: '[::1:80'", LINE(1, "listen: '[::1:80': " LISTEN) },
	{ "listen: '[]:80'", LINE(1, "listen: '[]:80': " LISTEN) },
	{ "listen: '[127.0.0.1]:80'", LINE(1, "listen: '[127.0.0.1]:80': " LISTEN) },
	{ "listen: '['", LINE(1, "listen: '[': " LISTEN) },
	{ "listen: '[:80'", LINE(1, "listen: '[:80': " LISTEN) },
	{ "socket: tapio.sock",
	  LINE(1, "socket: 'tapio.sock': " PATHS " of at most 107 bytes, without '.', '..' or '//', or off") },
	{ "socket: /a/", LINE(1, "socket: '/a/': " PATHS " of at most 107 bytes, without '.', '..' or '//', or off") },
	{ "socket: /" ID60 ID60, LINE(1, "socket: '/" ID60 "0123456789...': " PATHS
					 " of at most 107 bytes, without '.', '..' or '//', or off") },
	{ "host_root: off", LINE(1, "host_root: 'off': " PATHS " without '.', '..' or '//'") },
	{ "host_root: /a/../b", LINE(1, "host_root: '/a/../b': " PATHS " without '.', '..' or '//'") },
	{ "host_root: /a/.", LINE(1, "host_root: '/a/.': " PATHS " without '.', '..' or '//'") },
	{ "host_root: //a", LINE(1, "host_root: '//a': " PATHS " without '.', '..' or '//'") },
	/* rules */
	{ "filters: {exclude: [{}]}", LINE(1, "filters.exclude[0]: an empty rule would match everything") },
	{ "filters: {include: [{namespace: Shop}]}",
	  LINE(1, "filters.include[0].namespace: 'Shop': wanted is the name of a Kubernetes namespace") },
	{ "filters: {include: [{namespace: -a}]}",
	  LINE(1, "filters.include[0].namespace: '-a': wanted is the name of a Kubernetes namespace") },
	{ "filters: {include: [{pod: cart-0}]}",
	  LINE(1, "filters.include[0].pod: 'cart-0': wanted is NAMESPACE/NAME, as in shop/cart-0") },
	{ "filters: {include: [{pod: shop/}]}",
	  LINE(1, "filters.include[0].pod: 'shop/': wanted is NAMESPACE/NAME, as in shop/cart-0") },
	{ "filters: {include: [{pod: a/b/c}]}",
	  LINE(1, "filters.include[0].pod: 'a/b/c': wanted is NAMESPACE/NAME, as in shop/cart-0") },
	{ "filters: {include: [{container: docker://abc}]}",
	  LINE(1, "filters.include[0].container: 'docker://abc': " CONTAINER) },
	{ "filters: {include: [{container: \"" ID60 "01234\"}]}",
	  LINE(1, "filters.include[0].container: '" ID60 "01234': " CONTAINER) },
	{ "filters: {include: [{unit: nginx}]}", LINE(1, "filters.include[0].unit: 'nginx': " UNIT) },
	{ "filters: {include: [{unit: a.slice}]}", LINE(1, "filters.include[0].unit: 'a.slice': " UNIT) },
	{ "filters: {include: [{unit: .service}]}", LINE(1, "filters.include[0].unit: '.service': " UNIT) },
	{ "filters: {include: [{unit: a/b.service}]}", LINE(1, "filters.include[0].unit: 'a/b.service': " UNIT) },
	{ "filters: {exclude: [{comm: 0123456789abcdef}]}", LINE(1, "filters.exclude[0].comm: '0123456789abcdef': " COMM) },
	{ "filters: {exclude: [{comm: ''}]}", LINE(1, "filters.exclude[0].comm: '': " COMM) },
	{ "filters: {exclude: [{path: usr}]}", LINE(1, "filters.exclude[0].path: 'usr': wanted is the start of an absolute path, "
						       "without '.', '..' or '//'") },
	/* DNS */
	{ "dns: {timeout: 5}", LINE(1, "dns.timeout: '5': wanted is a time from 100ms to 1m, as in 5s") },
	{ "dns: {timeout: 99ms}", LINE(1, "dns.timeout: '99ms': wanted is a time from 100ms to 1m, as in 5s") },
	{ "dns: {timeout: 61s}", LINE(1, "dns.timeout: '61s': wanted is a time from 100ms to 1m, as in 5s") },
	{ "dns: {timeout: 0.5s}", LINE(1, "dns.timeout: '0.5s': wanted is a time from 100ms to 1m, as in 5s") },
	{ "dns: {ports: 53}", LINE(1, "dns.ports: '53': " PORTS) },
	{ "dns: {ports: []}", LINE(1, "dns.ports: []: " PORTS) },
	{ "dns: {ports: [53, 53]}", LINE(1, "dns.ports: [53,53]: " PORTS) },
	{ "dns: {ports: [0]}", LINE(1, "dns.ports: [0]: " PORTS) },
	{ "dns: {ports: [65536]}", LINE(1, "dns.ports: [65536]: " PORTS) },
	{ "dns: {ports: [1, 2, 3, 4, 5]}", LINE(1, "dns.ports: [1,2,3,4,5]: " PORTS) },
	{ "dns: {ports: ['53,54']}", LINE(1, "dns.ports: [53,54]: " PORTS) },
	{ "dns: {ports: [{a: b}]}", LINE(1, "dns.ports: [?]: " PORTS) },
	{ "dns: {mdns: maybe}", LINE(1, "dns.mdns: 'maybe': wanted is true or false") },
	{ "dns: {ports: [1, 2, 3, 4], mdns: on}", LINE(1, "dns.mdns: there is no room for its port: dns.ports has 4 already") },
	/* sinks */
	{ "sinks: []", LINE(1, "sinks: an empty list: at least one of the sinks is wanted") },
	{ "sinks: [{}]", LINE(1, "sinks[0]: 'type' is missing: wanted is stdout or file") },
	{ "sinks: [{type: kafka}]", LINE(1, "sinks[0].type: 'kafka': wanted is stdout or file") },
	{ "sinks:\n- type: file", LINE(2, "sinks[0]: 'path' is missing: " PATHS
					  " without '.', '..' or '//', as in /var/log/tapio/events.json") },
	{ "sinks:\n- type: stdout\n- type: stdout",
	  LINE(3, "sinks[1]: the same as sinks[0] in line 2: there is one standard output") },
	{ "sinks:\n- {type: file, path: /a}\n- {type: file, path: /b}\n- {type: file, path: /a}",
	  LINE(4, "sinks[2]: the same as sinks[0] in line 2: two sinks cannot write one file") },
	{ "sinks: [{type: file, path: /a}]\nsocket: /a", LINE(1, "sinks[0]: the path of 'socket'") },
	{ "sinks: [{type: stdout}, {type: file, path: /a}, {type: file, path: /b}, {type: file, path: /c},\n"
	  "  {type: file, path: /d}]",
	  LINE(2, "sinks[4]: more than 4 sinks") },
	{ "limits:\n  memory: 16MiB\nbuffers:\n  bulk: 16MiB",
	  LINE(2, "limits.memory: buffers and queues alone take 24576KiB, and limits.memory is 16384KiB") },
	{ "buffers: {control: 128MiB}",
	  LINE(1, "buffers.control: buffers and queues alone take 143360KiB, and limits.memory is 131072KiB") },
	/* YAML */
	{ "listen: &a off", LINE(1, "listen: anchors, as '&x', are not used here: remove it") },
	{ "&a listen: off", LINE(1, "anchors, as '&x', are not used here: remove it") },
	{ "sinks: &a []", LINE(1, "sinks: anchors, as '&x', are not used here: remove it") },
	{ "listen: *a", LINE(1, "listen: aliases, as '*x', are not used here: write the value out") },
	{ "*a : off", LINE(1, "aliases, as '*x', are not used here: write the value out") },
	{ "listen: !!str off", LINE(1, "listen: tags, as '!x' or '!!x', are not used here: remove it") },
	{ "sinks: !x []", LINE(1, "sinks: tags, as '!x' or '!!x', are not used here: remove it") },
	{ "!x listen: off", LINE(1, "tags, as '!x' or '!!x', are not used here: remove it") },
	{ "? [a]\n: b", LINE(1, "a key is a word, not a list or a map") },
	{ "listen: off\n---\nlisten: off", LINE(2, "a second document begins ('---'): a configuration is one") },
	{ "host_root: \"/\\0\"", LINE(1, "host_root: a text with a NUL in it") },
	{ "\"\\0\": 1", LINE(1, "a text with a NUL in it") },
	{ "limits:\n\tmemory: 1", LINE(2, "not YAML: a tab cannot indent: use spaces") },
	{ "limits: {", LINE(1, "not YAML: did not find expected node content while parsing a flow node") },
	{ "limits:\n  - {\n", LINE(2, "not YAML: did not find expected node content while parsing a flow node") },
	{ "\nlisten: 'off", LINE(2, "not YAML: found unexpected end of stream while scanning a quoted scalar") },
	{ "listen: off\n  x: y", LINE(2, "not YAML: mapping values are not allowed in this context") },
	{ "a: 1\nb\n", LINE(2, "not YAML: could not find expected ':' while scanning a simple key") },
	{ "listen:\n\n  \xff\xfe", LINE(3, "not text in UTF-8: invalid leading UTF-8 octet: 0xff") },
	{ "listen: \xc0\x80", LINE(1, "not text in UTF-8: invalid length of a UTF-8 sequence") },
	{ "\n\x01", LINE(2, "not text in UTF-8: control characters are not allowed: 0x1") },
	{ "limits: {\n\n\n", LINE(3, "not YAML: did not find expected node content while parsing a flow node") },
	{ "listen: [\n\n]:9477\n", LINE(3, "not YAML: did not find expected key while parsing a block mapping that begins in line 1") },
	{ "[[[[[[[[[", LINE(1, "[0][0][0][0][0][0][0][0]: more than 8 lists and maps in each other") },
};

TEST(unit, config_refuses_with_these_words)
{
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		CHECK(parse(wrong[i].text) == -EINVAL, "taken: %s", wrong[i].text);
		CHECK(!strcmp(why, wrong[i].why), "%s:\n  got    %s\n  wanted %s", wrong[i].text, why, wrong[i].why);
		CHECK(strict_harmless_text(why, strlen(why)), "%s", why);
		CHECK(!config.host_root && !config.nsinks, "changed: %s", wrong[i].text);
	}
}

TEST(unit, config_refuses_and_keeps_the_old)
{
	struct config before;

	REQUIRE(!parse("listen: off\nfilters: {include: [{comm: x}]}"), "%s", why);
	before = config;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++)
		CHECK(config_parse("f", wrong[i].text, strlen(wrong[i].text), &config, why, sizeof(why)) &&
			      !memcmp(&before, &config, sizeof(before)),
		      "%s", wrong[i].text);
}
