/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/memory.h"

#include <string.h>

#include "correlate/dns/dns.h"
#include "correlate/dns/search.h"
#include "tests/test.h"

/* What sensors' maps take at most, which are only known once they are loaded. */
#define SENSORS_MAPS (2u << 20)

static uint64_t part_of(const struct memory_part *parts, unsigned n, const char *what)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(parts[i].what, what))
			return parts[i].bytes;
	return 0;
}

/* With everything that can run, on the smallest and on large machines, the default ceiling holds. */
TEST(unit, memory_fits_its_default)
{
	static const struct tier tier = { .name = "x" };
	static struct collector c; /* large */
	struct memory_part parts[MEMORY_PARTS_MAX];
	struct config config;

	REQUIRE(!config_defaults(&config), "no memory");
	c.runs[TAPIO_SENSOR_DNS].tier = &tier;
	for (unsigned i = 0; i < 2; i++) {
		c.lineage = i;
		for (c.transport.cpus = 2; c.transport.cpus <= 64; c.transport.cpus *= 2) {
			const struct memory_options options = memory_options_of(&config);
			unsigned n = memory_parts(&c, &options, parts);
			uint64_t sum = memory_sum(parts, n) + config.ring_bytes[0] + config.ring_bytes[1] + SENSORS_MAPS;

			CHECK(n < MEMORY_PARTS_MAX, "%u parts, and those of rings and sensors' maps", n);
			CHECK(sum <= config.memory_bytes, "%u CPUs: %llu bytes", c.transport.cpus, (unsigned long long)sum);
			CHECK(part_of(parts, n, "dns") > dns_memory_max(DNS_LOOKUPS_MAX), "dns: %llu",
			      (unsigned long long)part_of(parts, n, "dns"));
		}
	}
	c.runs[TAPIO_SENSOR_DNS].tier = NULL;
	CHECK(!part_of(parts, memory_parts(&c, &(struct memory_options){ 0 }, parts), "dns"), "without the sensor");
	config_free(&config);
}

/* All that correlate/dns takes is in its formula: what search domains are told by was not, which are the largest beside lookups. */
TEST(unit, memory_of_dns_has_all_parts)
{
	CHECK(dns_memory_max(0) > (4u << 20) + search_memory(), "%llu with %llu of search domains",
	      (unsigned long long)dns_memory_max(0), (unsigned long long)search_memory());
}
