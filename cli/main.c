/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/heartbeat.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "trace", cmd_trace, "print events as they happen" },
	{ "dns", cmd_dns, "sum up the DNS lookups of a while" },
	{ "top", cmd_top, "the same live: tapio top dns" },
	{ "run", cmd_run, "the agent: watch all the time, as a configuration says" },
	{ "check", cmd_check, "say what runs on this machine, at which tier, and why not better" },
	{ "status", cmd_status, "say how the agent of this machine is" },
	{ "btf", cmd_btf, "cut a kernel's BTF to what Tapio needs of it" },
	{ "schema", cmd_schema, "print the events and their fields" },
	{ "version", cmd_version, "print the version" },
	{ "heartbeat", cmd_heartbeat, NULL }, /* what an agent calls to test its hooks */
	{ "complete", cmd_complete, NULL }, /* what the completion of a shell calls */
};

static void help(FILE *to)
{
	fprintf(to, "Tapio shows what happens on a Linux machine, with eBPF.\n\n"
		    "usage: tapio COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (commands[i].help)
			fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\n'tapio COMMAND --help' tells more. Exit status: 0 all that was asked for runs; 1 something\n"
		    "required does not, or an error; 2 wrong usage or missing privilege; 3 unsupported kernel.\n");
}

/* A closed standard descriptor would become a map or a socket. These fail with EBADF when written to. */
static void reserve_standard_fds(void)
{
	int fd;

	do
		fd = open("/", O_PATH);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cmd_version(argc - 1, argv + 1);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "tapio: %s: no such command; 'tapio --help' lists them\n", argv[1]);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	reserve_standard_fds();
	status = run(argc, argv);
	if (fflush(stdout) && !status) {
		log_error("writing to stdout: %s", strerror(errno));
		status = STATUS_FAILED;
	}
	return status;
}
