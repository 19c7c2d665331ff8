/* SPDX-License-Identifier: Apache-2.0 */
#include "event/sink.h"

const char *sink_drop_name(enum sink_drop drop)
{
	static const char *const names[SINK_DROPS] = {
		[SINK_DROP_QUEUE_FULL] = "queue_full",
		[SINK_DROP_FAILED] = "failed",
	};

	return (unsigned)drop < SINK_DROPS ? names[drop] : NULL;
}
