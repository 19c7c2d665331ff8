/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent serves by HTTP: health and capabilities. Metrics are in agent_metrics.c. */
#include <stdio.h>
#include <string.h>

#include "cli/agent.h"

/* ---- health ---- */

static bool sensor_is_dead(const struct agent *a, unsigned sensor)
{
	const struct sensor_run *run = &a->watch.collector.runs[sensor];

	return run->sensor && (!run->tier || a->heartbeat.state[sensor] == HEARTBEAT_DEAD);
}

const char *agent_trouble(const struct agent *a, char *text, size_t size)
{
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (sensor_is_dead(a, i)) {
			snprintf(text, size, "sensor %s: %s", sensor_name(i),
				 a->watch.collector.runs[i].tier ? "its hook is dead" : "no tier runs");
			return text;
		}
	for (unsigned i = 0; i < a->nsinks; i++) {
		struct sink_stats s;

		a->sinks[i]->stats(a->sinks[i], &s);
		if (!s.error)
			continue;
		snprintf(text, size, "sink %s: %s", s.name, strerror(s.error));
		return text;
	}
	return NULL;
}

/* Alive: the loop turns, or nobody would answer. A sensor that died takes a restart. */
static int healthz(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	const struct agent *a = arg;

	(void)request;
	(void)content_type;
	for (unsigned i = 0; i < TAPIO_SENSOR_MAX; i++)
		if (a->heartbeat.state[i] == HEARTBEAT_DEAD) {
			buf_printf(out, "sensor %s: its hook is dead\n", sensor_name(i));
			return 503;
		}
	buf_adds(out, "ok\n");
	return 200;
}

/* Ready: all that was asked for works now. */
static int readyz(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	char text[256];

	(void)request;
	(void)content_type;
	if (agent_trouble(arg, text, sizeof(text))) {
		buf_printf(out, "%s\n", text);
		return 503;
	}
	buf_adds(out, "ok\n");
	return 200;
}

static int capabilities(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	const struct agent *a = arg;

	(void)request;
	(void)content_type;
	buf_add(out, a->capabilities, a->capabilities_length);
	return 200;
}

static int index_page(void *arg, const struct http_request *request, struct buf *out, const char **content_type)
{
	(void)arg;
	(void)request;
	(void)content_type;
	buf_adds(out, "Tapio " TAPIO_VERSION "\n/metrics /healthz /readyz /capabilities\n");
	return 200;
}

void agent_pages(struct agent *a, struct http_handler ret[AGENT_PAGES + 1])
{
	const struct http_handler pages[AGENT_PAGES + 1] = {
		{ "/", "text/plain; charset=utf-8", index_page, a },
		{ "/metrics", "text/plain; charset=utf-8", agent_metrics, a },
		{ "/healthz", "text/plain; charset=utf-8", healthz, a },
		{ "/readyz", "text/plain; charset=utf-8", readyz, a },
		{ "/capabilities", "application/json", capabilities, a },
	};

	memcpy(ret, pages, sizeof(pages));
}
