/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/check.h"

static bool is_loopback(const char *address)
{
	return !strncmp(address, "127.", 4) || !strncmp(address, "[::1]:", 6);
}

static void print_network(const char *listen, FILE *to)
{
	fprintf(to, "  network       nothing by itself: Tapio connects to nobody\n");
	if (listen)
		fprintf(to, "                http://%s answers %s with metrics, health and this report, and with no event\n",
			listen, is_loopback(listen) ? "processes of this machine" : "WHOEVER REACHES IT");
}

static void print_sink(const struct config_sink *sink, FILE *to)
{
	if (sink->type == CONFIG_SINK_FILE)
		fprintf(to, "  events        to the file %s (mode 0600)\n", sink->path);
	else
		fprintf(to, "  events        to stdout: where it goes is up to who started Tapio (journal, container log)\n");
}

void check_print_outlets(const struct config *config, FILE *to)
{
	static const char *const args[] = {
		[CONFIG_ARGS_OFF] = "never",
		[CONFIG_ARGS_REDACTED] = "with values after password, token, secret and key flags, and in URLs, taken out",
		[CONFIG_ARGS_FULL] = "IN FULL, secrets included",
	};

	fprintf(to, "\nwhat leaves 'tapio run'\n");
	print_network(config->listen, to);
	for (unsigned i = 0; i < config->nsinks; i++)
		print_sink(&config->sinks[i], to);
	if (!config->nsinks)
		fprintf(to, "  events        to no sink\n");
	if (config->socket)
		fprintf(to, "  on request    events to root, through %s (mode 0600)\n", config->socket);
	fprintf(to, "  arguments     of processes %s\n", args[config->args]);
}
