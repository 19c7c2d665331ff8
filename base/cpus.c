/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpus.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

unsigned cpus_parse(const char *text, bool ret[CPUS_MAX])
{
	unsigned top = 0;

	memset(ret, 0, CPUS_MAX * sizeof(*ret));
	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last < UINT32_MAX && last + 1 > top)
			top = (unsigned)last + 1;
		for (; first <= last && first < CPUS_MAX; first++)
			ret[first] = true;
		text = *end == ',' ? end + 1 : end;
	}
	return top;
}

static unsigned read_set(const char *path, bool set[CPUS_MAX])
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[4096];

	if (!f || !fgets(line, sizeof(line), f))
		return 0;
	return cpus_parse(line, set);
}

unsigned cpus_possible(void)
{
	bool set[CPUS_MAX];
	unsigned n = read_set("/sys/devices/system/cpu/possible", set);

	if (!n) {
		long conf = sysconf(_SC_NPROCESSORS_CONF);

		n = conf > 0 ? (unsigned)conf : 1;
	}
	return n;
}

bool cpu_is_online(unsigned n)
{
	bool set[CPUS_MAX];

	/* Without sysfs take all possible ones: opening a buffer on a missing CPU fails by itself. */
	if (!read_set("/sys/devices/system/cpu/online", set))
		return n < cpus_possible();
	return n < CPUS_MAX && set[n];
}

int cpus_first_online(void)
{
	for (unsigned n = 0; n < CPUS_MAX; n++)
		if (cpu_is_online(n))
			return (int)n;
	return 0;
}
