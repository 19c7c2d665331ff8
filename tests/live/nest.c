/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that interrupt each other in the middle of a record: tests/bpf/nest.bpf.c makes that
 * happen each time. No record is clobbered, none is lost, and all memory is given back.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/bpflog.h"
#include "collect/tracefs.h"
#include "tests/live/harness.h"

enum { RENAMES = 500, OUTER = 1, INNER = 2, TAIL_BYTES = 512 };

/* As in tests/bpf/nest.bpf.c. */
struct nest_counts {
	uint64_t outer, inner, nested, clobbered, bare_clobbered;
	uint32_t tgid, pad;
};

#define EVENTS EVENT_BIT(TAPIO_EV_PROCESS_EXEC_FAILED)

static const struct tier tiers[] = {
	{ .name = "nest",
	  .object = "nest",
	  .needs = NEEDS(RAW_TP),
	  .programs = { { "nest_inner", EVENTS }, { "nest_outer", EVENTS } } },
	{ 0 },
};

static const struct sensor nest = { .id = TAPIO_SENSOR_PROCESS, .tiers = tiers };

struct nesting {
	struct transport transport;
	struct reader reader;
	struct sensor_run run;
	int results_fd;
	struct nest_counts counts;
	unsigned seen[3];       /* by who */
	unsigned bad;           /* records that are not as they were written */
	unsigned in_other_slot; /* inner ones that were not built in the first slot */
};

/* Loading a program that uses bpf_trace_printk switches its trace event on: it is left as it was. */
static void trace_event(char *state, bool set)
{
	_cleanup_close_ int fd = openat(tracefs_dir(), "events/bpf_trace/bpf_trace_printk/enable",
					(set ? O_WRONLY : O_RDONLY) | O_CLOEXEC);

	if (fd < 0 || (set ? write(fd, state, 1) : read(fd, state, 1)) != 1)
		*state = '0';
}

static int take(void *arg, const void *data, size_t size, uint64_t ts_boot_ns)
{
	const struct tapio_process_exec_failed *rec = data;
	struct nesting *n = arg;
	const struct event_desc *desc;
	char want;

	(void)ts_boot_ns;
	if (event_check(data, size, &desc) || rec->error.value < OUTER || rec->error.value > INNER) {
		n->bad++;
		return 0;
	}
	n->seen[rec->error.value]++;
	n->in_other_slot += rec->error.value == INNER && (rec->ev.number & 7);
	want = rec->error.value == OUTER ? 'o' : 'i';
	if (size < sizeof(*rec) + TAIL_BYTES || rec->filename.length != TAIL_BYTES) {
		n->bad++;
		return 0;
	}
	for (size_t i = 0; i < TAIL_BYTES; i++)
		if (((const char *)(rec + 1))[i] != want) {
			n->bad++;
			break;
		}
	return 0;
}

static void open_nesting(struct nesting *n, uint64_t core_disabled)
{
	struct ladder_options options = { .events = EVENTS, .core_disabled = core_disabled };
	__u32 zero = 0;
	int err = transport_open(&n->transport, &transport_defaults);

	REQUIRE(!err && !reader_open(&n->reader, &n->transport), "transport: %s", strerror(-err));
	err = ladder_climb(&nest, &options, &n->transport, &n->run);
	REQUIRE(!err, "%s", n->run.results[0].why);
	n->results_fd = bpf_object__find_map_fd_by_name(n->run.obj, "nest_results");
	n->counts.tgid = (__u32)getpid();
	REQUIRE(!bpf_map_update_elem(n->results_fd, &zero, &n->counts, BPF_ANY), "map: %s", strerror(errno));
}

static void check_counts(const struct nesting *n)
{
	const struct nest_counts *c = &n->counts;

	CHECK(c->outer == RENAMES && c->inner == RENAMES, "%llu outer and %llu inner runs of %d",
	      (unsigned long long)c->outer, (unsigned long long)c->inner, RENAMES);
	CHECK(c->nested == RENAMES, "%llu of %d runs nested", (unsigned long long)c->nested, RENAMES);
	CHECK(c->bare_clobbered == RENAMES, "a bare buffer was clobbered %llu times of %d: nothing was at stake",
	      (unsigned long long)c->bare_clobbered, RENAMES);
	CHECK(!c->clobbered && !n->bad, "%llu records were clobbered while they were built, %u came so",
	      (unsigned long long)c->clobbered, n->bad);
	CHECK(n->seen[OUTER] == RENAMES && n->seen[INNER] == RENAMES, "%u outer and %u inner records of %d",
	      n->seen[OUTER], n->seen[INNER], RENAMES);
	CHECK(n->in_other_slot == RENAMES, "%u of %d inner records had a slot of their own", n->in_other_slot,
	      RENAMES);
}

static void check_slots(const struct nesting *n)
{
	static struct tapio_slot slot;
	uint64_t made = 0;

	for (__u32 i = 0; i < n->transport.cpus * TAPIO_SLOTS; i++) {
		CHECK(!bpf_map_lookup_elem(n->transport.slots_fd, &i, &slot) && !slot.claims,
		      "slot %u is claimed %llu times", i, (unsigned long long)slot.claims);
		made += slot.made[TAPIO_RING_CONTROL];
	}
	CHECK(made == 2 * RENAMES, "%llu numbers were given", (unsigned long long)made);
}

static void run_nested(uint64_t core_disabled)
{
	static struct nesting n;
	struct tapio_counters counters;
	char state = '0', name[16];
	unsigned fds;
	__u32 zero = 0;

	tracefs_dir(); /* kept open until the process ends, by contract */
	fds = live_count_fds();
	memset(&n, 0, sizeof(n));
	trace_event(&state, false);
	open_nesting(&n, core_disabled);
	for (int i = 0; i < RENAMES; i++) {
		snprintf(name, sizeof(name), "nest-%d", i);
		prctl(PR_SET_NAME, name);
	}
	sensor_detach(&n.run);
	trace_event(&state, true);
	while (reader_drain(&n.reader, true, take, &n) > 0)
		;
	REQUIRE(!bpf_map_lookup_elem(n.results_fd, &zero, &n.counts), "map: %s", strerror(errno));
	check_counts(&n);
	check_slots(&n);
	CHECK(!transport_counters(&n.transport, TAPIO_SENSOR_PROCESS, &counters) && counters.made == 2 * RENAMES,
	      "%llu records were begun", (unsigned long long)counters.made);
	for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
		CHECK(!counters.lost[cause], "lost: %s %llu", cause_name(cause),
		      (unsigned long long)counters.lost[cause]);
	sensor_close(&n.run);
	reader_close(&n.reader);
	transport_close(&n.transport);
	CHECK(live_count_fds() == fds, "%u descriptors before, %u after", fds, live_count_fds());
}

static void need_nesting(void)
{
	bpflog_init();
	if (!feature(FEATURE_BTF)->have)
		SKIP("needs btf: %s", feature(FEATURE_BTF)->why);
	if (!feature(FEATURE_RAW_TP)->have)
		SKIP("needs raw_tp: %s", feature(FEATURE_RAW_TP)->why);
	if (tracepoint_id("bpf_trace/bpf_trace_printk") < 0)
		SKIP("this kernel has no tracepoint in a helper (bpf_trace_printk, 5.9)");
}

TEST(live, nested_in_ring)
{
	need_nesting();
	if (!feature(FEATURE_RINGBUF)->have)
		SKIP("needs ringbuf: %s", feature(FEATURE_RINGBUF)->why);
	run_nested(0);
}

TEST(live, nested_in_perf_buffer)
{
	need_nesting();
	run_nested(CORE_RINGBUF);
}
