/* SPDX-License-Identifier: Apache-2.0 */
#include "export/missed.h"

#include "base/clock.h"

void missed_add(struct missed *m, const struct event_view *view, enum tapio_cause cause)
{
	const struct tapio_lost *lost = (const struct tapio_lost *)view->ev;
	bool is_lost = view->desc->type == TAPIO_EV_LOST;
	unsigned sensor = is_lost ? lost->sensor.value : view->desc->sensor;

	if (is_lost)
		cause = lost->cause.value;
	if (!m->any)
		m->since_ns = clock_ns(CLOCK_BOOTTIME);
	m->any = true;
	if (sensor < TAPIO_SENSOR_MAX && cause < TAPIO_CAUSE_MAX)
		m->counts[sensor][cause] += is_lost ? lost->count : 1;
}

static void tell_one(const struct missed *m, unsigned sensor, unsigned cause,
		     void (*tell)(void *arg, const struct event_view *lost), void *arg)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	int64_t boot_to_wall_ns = clock_offset_ns(CLOCK_REALTIME, CLOCK_BOOTTIME);
	const struct tapio_lost lost = {
		.ev = { .ts_ns = now, .size = sizeof(lost), .type = TAPIO_EV_LOST },
		.count = m->counts[sensor][cause],
		.interval_ns = now - m->since_ns,
		.sensor.value = sensor,
		.cause.value = cause,
	};
	const struct event_view view = { .ev = &lost.ev, .desc = event_desc_by_type(TAPIO_EV_LOST),
					 .wall_ns = now + (uint64_t)boot_to_wall_ns,
					 .boot_to_wall_ns = boot_to_wall_ns };

	tell(arg, &view);
}

void missed_tell(struct missed *m, void (*tell)(void *arg, const struct event_view *lost), void *arg)
{
	for (unsigned sensor = 0; sensor < TAPIO_SENSOR_MAX; sensor++)
		for (unsigned cause = 0; cause < TAPIO_CAUSE_MAX; cause++)
			if (m->counts[sensor][cause])
				tell_one(m, sensor, cause, tell, arg);
	*m = (struct missed){ 0 };
}
