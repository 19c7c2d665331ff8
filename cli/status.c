/* SPDX-License-Identifier: Apache-2.0 */
/* tapio status: how the agent is. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "export/attach.h"

enum { ANSWER_MS = 10000, ANSWER_MAX = 1 << 20, TEXT_MAX = 8 << 20 };

static const char help[] =
	"usage: tapio status [OPTION]...\n\n"
	"Prints how the agent ('tapio run') of this machine is: what runs and at which tier, what was counted\n"
	"and lost, its sinks, memory and CPU time. docs/STATUS.md describes it.\n\n"
	"  -s, --socket PATH  the agent's socket (" ATTACH_DEFAULT_PATH ")\n"
	"  -j, --json         as the agent says it: one JSON object\n"
	"  -h, --help         show this\n";

static int show(const char *path, bool json)
{
	_cleanup_buf_ struct buf answer = BUF_INIT(ANSWER_MAX), text = BUF_INIT(TEXT_MAX);
	_cleanup_close_ int fd = -1;
	char why[512];
	int err;

	fd = attach_open(path, "status", why, sizeof(why));
	err = fd < 0 ? fd : attach_read(fd, ANSWER_MS, &answer, why, sizeof(why));
	/* also with --json, so that what is printed is what it is said to be */
	if (!err)
		err = status_print(&text, answer.data, answer.length, why, sizeof(why));
	if (err) {
		log_error("status: %s", why);
		return STATUS_FAILED;
	}
	fwrite(json ? answer.data : text.data, 1, json ? answer.length : text.length, stdout);
	return STATUS_OK;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = ATTACH_DEFAULT_PATH;
	bool json = false;
	int opt;

	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":s:jh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			path = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return STATUS_OK;
		default:
			return usage_error("status", "%s: %s", argv[optind - 1],
					   opt == ':' ? "this option needs a value" : "unknown option");
		}
	}
	if (optind < argc)
		return usage_error("status", "%s: no arguments are wanted", argv[optind]);
	return show(path, json);
}
