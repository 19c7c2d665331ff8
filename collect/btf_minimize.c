/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/btf_minimize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/refuse.h"
#include "collect/btf_search.h"
#include "collect/forecast.h"

/* A sensor that would run by no tier of the kernel's types is missing something. */
static int require_all(const struct forecast *f, char *why, size_t size)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++) {
		const struct sensor_forecast *s = &f->sensors[i];
		const char *reason = NULL;
		bool core = false;

		for (unsigned k = 0; s->sensor && k < ladder_height(s->sensor); k++) {
			if (s->sensor->tiers[k].abi)
				continue;
			core |= s->tiers[k].foretold != FORETOLD_FAILS;
			if (!reason || s->tiers[k].lacks)
				reason = s->tiers[k].why;
		}
		if (reason && !core)
			return refuse(-ENODATA, why, size, "sensor %s: %s", sensor_name(i), reason);
	}
	return 0;
}

static int same_forecast(const struct forecast *a, const struct forecast *b, char *why, size_t size)
{
	if (a->ringbuf.foretold != b->ringbuf.foretold)
		return refuse(-ESTALE, why, size, "the ring buffer: '%s'", b->ringbuf.why);
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		for (unsigned k = 0; a->sensors[i].sensor && k < ladder_height(a->sensors[i].sensor); k++)
			if (a->sensors[i].tiers[k].foretold != b->sensors[i].tiers[k].foretold)
				return refuse(-ESTALE, why, size, "tier %s of sensor %s: '%s'",
					      a->sensors[i].sensor->tiers[k].name, sensor_name(i),
					      b->sensors[i].tiers[k].why);
	return 0;
}

static int verify(const struct btf_source *whole, const struct forecast *before, const void *data, size_t bytes,
		  char *why, size_t size)
{
	const struct forecast_options options = { .events = ~0ull };
	_cleanup_free_ struct forecast *after = calloc(1, sizeof(*after));
	struct btf_source minimal;
	int err = after ? btf_load_data(data, bytes, &minimal, why, size) : -ENOMEM;

	if (err)
		return err;
	err = btf_compare(&whole->types, &minimal.types, why, size);
	if (!err)
		err = forecast(&minimal, &options, after);
	if (!err)
		err = same_forecast(before, after, why, size);
	btf_unload(&minimal);
	return err;
}

int btf_minimize(const struct btf_source *whole, void **ret, size_t *ret_size, char *why, size_t size)
{
	const struct forecast_options options = { .events = ~0ull };
	_cleanup_free_ struct forecast *before = calloc(1, sizeof(*before));
	char reason[256] = "";
	size_t bytes = 0;
	void *data = NULL;
	int err = before ? forecast(whole, &options, before) : -ENOMEM;

	if (err)
		return refuse(err, why, size, "%s", strerror(-err));
	err = require_all(before, why, size);
	if (err)
		return err;
	err = btf_cut(whole, &data, &bytes);
	if (err)
		return refuse(err, why, size, "%s", strerror(-err));
	err = verify(whole, before, data, bytes, reason, sizeof(reason));
	if (err) {
		free(data);
		return refuse(err, why, size, "the result is not equal to the whole: %s",
			      reason[0] ? reason : strerror(-err));
	}
	*ret = data;
	*ret_size = bytes;
	return 0;
}
