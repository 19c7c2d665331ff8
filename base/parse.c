/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *end;
	double value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		value *= units[i].ns;
		if (!isfinite(value) || value >= 9e18)
			return -ERANGE;
		*ret_ns = (uint64_t)value;
		return 0;
	}
	return -EINVAL;
}

int parse_ports(const char *text, uint16_t *ret, unsigned max)
{
	uint16_t ports[16] = { 0 };
	unsigned n = 0;

	do {
		size_t length = strcspn(text, ",");
		char digits[6];
		uint64_t port;

		if (n == max || n == sizeof(ports) / sizeof(*ports) || length >= sizeof(digits))
			return -EINVAL;
		memcpy(digits, text, length);
		digits[length] = '\0';
		if (parse_u64(digits, UINT16_MAX, &port) || !port || digits[0] == '0')
			return -EINVAL;
		for (unsigned i = 0; i < n; i++)
			if (ports[i] == port)
				return -EINVAL;
		ports[n++] = (uint16_t)port;
		text += length;
	} while (*text++ == ',');
	memcpy(ret, ports, max * sizeof(*ports));
	return 0;
}
