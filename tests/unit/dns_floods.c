/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks more than there is room for, and what becomes of the others' lookups. */
#include <stdio.h>

#include "tests/unit/dns_given.h"

/* One cgroup asks and is never answered; the others' lookups are seen all the same. */
TEST(unit, dns_flood)
{
	char name[32];

	open_dns(1024);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "x%u.example", i);
		QUESTION(.at = 1 * S + i, .name = name, .id = i % 65536);
		if (i % 100)
			continue;
		QUESTION(.at = 1 * S + i, .id = i % 65536, .cookie = 500, .tgid = 9);
		REPLY(.at = 1 * S + i + 1, .id = i % 65536, .cookie = 500, .tgid = 9);
	}
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 200, "%u of 200 lookups", t.made[TAPIO_EV_DNS_LOOKUP]);
	CHECK(t.dns->refused(t.dns) == 20000 - 1024 / 4, "%llu refused", (unsigned long long)t.dns->refused(t.dns));
	t.dns->advance(t.dns, 60 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 1024 / 4, "%u timeouts", t.made[TAPIO_EV_DNS_TIMEOUT]);
	/* and there is room again */
	QUESTION(.at = 100 * S);
	REPLY(.at = 101 * S);
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 201, "after the flood");
	close_dns();
}

/* An answer over TCP that there was no memory to put together is no timeout without a doubt. */
TEST(unit, dns_doubts_what_streams_lost)
{
	uint64_t refused;

	open_dns(0);
	QUESTION(.at = 1 * S, .stream = true);
	QUESTION(.at = 1 * S, .id = 9, .tgid = 8, .cookie = 77);
	refused = t.dns->refused(t.dns);
	for (unsigned i = 0; i < 3000; i++) /* others, each of them with the beginning of an answer */
		REPLY(.at = 1 * S + 1 + i, .stream = true, .cookie = 1000 + i, .tgid = 9, .cut = 20);
	CHECK(t.dns->refused(t.dns) > refused, "it is not counted");
	t.dns->advance(t.dns, 60 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 2 && timed_out()->doubtful, "no doubt");
	close_dns();
}

/* What is no DNS, and ends in the middle of what would be a message, is nothing that was lost. */
TEST(unit, dns_streams_that_end_early_are_no_doubt)
{
	open_dns(0);
	QUESTION(.at = 1 * S);
	QUESTION(.at = 1 * S + 1, .id = 2, .cookie = 200, .stream = true, .cut = 20);
	QUESTION(.at = 1 * S + 2, .id = 2, .cookie = 200, .stream = true, .cut = 20, .end = true);
	t.dns->advance(t.dns, 60 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] == 1 && !timed_out()->doubtful, "a doubt");
	close_dns();
}

/* Whoever asks again and again is told of each time that nobody answered, and does not wait for ever. */
TEST(unit, dns_retries_without_end_time_out)
{
	open_dns(0);
	for (unsigned i = 0; i < 120; i++) {
		t.dns->advance(t.dns, (1 + i) * S);
		QUESTION(.at = (1 + i) * S, .id = i, .cookie = 100 + i, .from_port = (uint16_t)(40000 + i));
	}
	t.dns->advance(t.dns, 200 * S);
	CHECK(t.made[TAPIO_EV_DNS_TIMEOUT] >= 3 && t.made[TAPIO_EV_DNS_TIMEOUT] <= 6, "%u timeouts in two minutes",
	      t.made[TAPIO_EV_DNS_TIMEOUT]);
	CHECK(timed_out()->took_ns < 60 * S, "%llu ns", (unsigned long long)timed_out()->took_ns);
	close_dns();
}

/* One cgroup asks the same names again and again, each time through another socket: the others' answers still find them. */
TEST(unit, dns_flood_of_retries)
{
	char name[32];

	open_dns(256);
	for (unsigned round = 0; round < 20; round++) {
		uint64_t at = (1 + round) * S;

		t.dns->advance(t.dns, at);
		for (unsigned i = 0; i < 64; i++) {
			snprintf(name, sizeof(name), "x%u.example", i);
			QUESTION(.at = at + i, .name = name, .id = 64 * round + i, .cookie = 1000 + round);
		}
		QUESTION(.at = at + 100, .id = round, .cookie = 500, .tgid = 9);
		REPLY(.at = at + 101, .id = round, .cookie = 500, .tgid = 9);
		/* what is asked again finds its answer, however often it was asked */
		if (round == 19)
			REPLY(.at = at + 200, .name = "x5.example", .id = 64 * round + 5, .cookie = 1000 + round);
	}
	CHECK(t.made[TAPIO_EV_DNS_LOOKUP] == 21, "%u of 21 lookups", t.made[TAPIO_EV_DNS_LOOKUP]);
	close_dns();
}
