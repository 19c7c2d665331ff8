/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int cmd_version(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		printf("usage: tapio version\n\nPrints the versions of Tapio, of its event schema and of libbpf.\n");
		return STATUS_OK;
	}
	if (argc > 1)
		return usage_error("version", "%s: unexpected argument", argv[1]);
	printf("tapio %s, schema %d.%d, libbpf %s\n", TAPIO_VERSION, SCHEMA_MAJOR, SCHEMA_MINOR,
	       libbpf_version_string());
	return STATUS_OK;
}
