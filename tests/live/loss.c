/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be delivered is counted, to the record, by cause; and what is asked for less is not lost. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

enum { FLOOD = 3000 };

/* Failing execs cost little and make one record each. Returns the number of those that did not fail. */
static int flood(void *arg)
{
	char *argv[] = { "argument", NULL };

	gate_wait(arg);
	for (int i = 0; i < FLOOD; i++)
		execve("/no/such/program", argv, stimulus_quiet);
	return 0;
}

/* A child that waits, and a collector that is asked for its failing execs alone. */
static pid_t prepare_flood(struct live *l, struct gate *g)
{
	char text[16], why[256];
	pid_t pid;

	if (!live_gives_event(l, TAPIO_EV_PROCESS_EXEC_FAILED))
		SKIP("%s: does not give failed execs", l->name);
	*g = gate_make();
	pid = child_start(flood, g);
	snprintf(text, sizeof(text), "%d", pid);
	REQUIRE(!filter_add(&l->options.filter, TAPIO_FILTER_PID, text, why, sizeof(why)), "%s", why);
	l->options.events = EVENT_BIT(TAPIO_EV_PROCESS_EXEC_FAILED);
	return pid;
}

static uint64_t sum_made_in_slots(const struct live *l)
{
	const struct transport *t = &l->collector.transport;
	struct tapio_slot *slot = malloc(sizeof(*slot));
	uint64_t sum = 0;

	REQUIRE(slot, "no memory");
	for (__u32 i = 0; i < t->cpus * TAPIO_SLOTS; i++)
		if (!bpf_map_lookup_elem(t->slots_fd, &i, slot))
			sum += slot->made[TAPIO_RING_CONTROL];
	free(slot);
	return sum;
}

static struct losses settle(struct live *l)
{
	struct losses losses;

	collector_detach(&l->collector);
	live_drain(l);
	REQUIRE(!collector_losses(&l->collector, true, &losses), "%s: no losses", l->name);
	return losses;
}

static void overflow(struct live *l)
{
	const uint64_t *lost;
	struct losses losses;
	struct gate g;
	pid_t pid = prepare_flood(l, &g);

	l->lossy = true;
	l->options.transport.ring_bytes[TAPIO_RING_CONTROL] = 2 * (size_t)sysconf(_SC_PAGESIZE);
	live_start(l);
	gate_open(&g);
	CHECK(!child_end(pid).status, "%s: a program was started", l->name);
	losses = settle(l);
	lost = losses.count[TAPIO_SENSOR_PROCESS];
	/* Before 5.1 the perf buffer does not tell the program: the kernel's own count has it. */
	CHECK(lost[TAPIO_CAUSE_RING_FULL] || lost[TAPIO_CAUSE_PERF_FULL], "%s: nothing was lost", l->name);
	CHECK(!lost[TAPIO_CAUSE_PERF_FULL] || !lost[TAPIO_CAUSE_RING_FULL], "%s: two causes for one loss", l->name);
	for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
		CHECK(!lost[cause] || cause == TAPIO_CAUSE_RING_FULL || cause == TAPIO_CAUSE_PERF_FULL, "%s: %s %llu",
		      l->name, cause_name(cause), (unsigned long long)lost[cause]);
	CHECK(l->nviews && l->nviews + lost[TAPIO_CAUSE_RING_FULL] + lost[TAPIO_CAUSE_PERF_FULL] == FLOOD,
	      "%s: %zu seen, %llu + %llu lost of %d", l->name, l->nviews,
	      (unsigned long long)lost[TAPIO_CAUSE_RING_FULL], (unsigned long long)lost[TAPIO_CAUSE_PERF_FULL],
	      FLOOD);
	CHECK(sum_made_in_slots(l) == FLOOD, "%s: %llu numbers were given", l->name,
	      (unsigned long long)sum_made_in_slots(l));
}

TEST(live, loss_ring_full)
{
	live_on_every_tier(overflow);
}

/* The same flood, and a reader that keeps up: nothing is lost, though the ring is small. */
static void keep_up(struct live *l)
{
	struct losses losses;
	struct gate g;
	pid_t pid = prepare_flood(l, &g);

	l->options.transport.ring_bytes[TAPIO_RING_CONTROL] = transport_defaults.ring_bytes[TAPIO_RING_CONTROL];
	live_start(l);
	gate_open(&g);
	CHECK(!child_end(pid).status, "%s: a program was started", l->name);
	losses = settle(l);
	for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
		CHECK(!losses.count[TAPIO_SENSOR_PROCESS][cause], "%s: %s %llu", l->name, cause_name(cause),
		      (unsigned long long)losses.count[TAPIO_SENSOR_PROCESS][cause]);
	CHECK(l->nviews == FLOOD, "%s: %zu of %d seen", l->name, l->nviews, FLOOD);
}

TEST(live, loss_none)
{
	live_on_every_transport(keep_up);
}

/* ---- no slot ---- */

/* As if programs were in the middle of records: claims of the first n slots of each CPU. */
static void claim_slots(const struct live *l, unsigned n, uint64_t claims)
{
	const struct transport *t = &l->collector.transport;
	struct tapio_slot *slot = malloc(sizeof(*slot));

	REQUIRE(slot, "no memory");
	for (__u32 i = 0; i < t->cpus * TAPIO_SLOTS; i++) {
		if (i % TAPIO_SLOTS >= n)
			continue;
		REQUIRE(!bpf_map_lookup_elem(t->slots_fd, &i, slot), "slot %u: %s", i, strerror(errno));
		slot->claims = claims;
		REQUIRE(!bpf_map_update_elem(t->slots_fd, &i, slot, BPF_ANY), "slot %u: %s", i, strerror(errno));
	}
	free(slot);
}

static void no_slot(struct live *l)
{
	struct losses losses;
	struct gate gates[3];
	pid_t pids[3];
	size_t seen;

	l->lossy = true;
	for (int i = 0; i < 3; i++)
		pids[i] = prepare_flood(l, &gates[i]);
	live_start(l);
	claim_slots(l, TAPIO_SLOTS - 1, 1);
	gate_open(&gates[0]);
	child_end(pids[0]);
	live_drain(l);
	CHECK(l->nviews == FLOOD, "%s: %zu of %d seen through the last slot", l->name, l->nviews, FLOOD);
	for (size_t i = 0; i < l->nviews; i++)
		CHECK((l->views[i].ev->number & 7) == TAPIO_SLOTS - 1, "%s: number %llu is of another slot", l->name,
		      (unsigned long long)l->views[i].ev->number);
	seen = l->nviews;

	claim_slots(l, TAPIO_SLOTS, 1);
	gate_open(&gates[1]);
	child_end(pids[1]);
	live_drain(l);
	CHECK(l->nviews == seen, "%s: %zu records without a slot", l->name, l->nviews - seen);

	claim_slots(l, TAPIO_SLOTS, 0);
	gate_open(&gates[2]);
	child_end(pids[2]);
	losses = settle(l);
	CHECK(l->nviews == seen + FLOOD, "%s: %zu of %d seen after the slots were given back", l->name,
	      l->nviews - seen, FLOOD);
	CHECK(losses.count[TAPIO_SENSOR_PROCESS][TAPIO_CAUSE_NO_SLOT] == FLOOD, "%s: %llu of %d counted", l->name,
	      (unsigned long long)losses.count[TAPIO_SENSOR_PROCESS][TAPIO_CAUSE_NO_SLOT], FLOOD);
}

TEST(live, loss_no_slot)
{
	live_on_every_transport(no_slot);
}
