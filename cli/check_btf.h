/* SPDX-License-Identifier: Apache-2.0 */
/* tapio check --btf: what other kernels' types tell. */
#ifndef CLI_CHECK_BTF_H
#define CLI_CHECK_BTF_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"
#include "collect/forecast.h"

/* Of the JSON document; docs/CHECK.md. */
#define CHECK_BTF_SCHEMA "tapio.check.btf/1"

struct check_btf {
	const char *path; /* a file, or a folder of them */
	const struct run_options *run;
	const char *const *requires;
	unsigned nrequires;
	bool json;
};

/* An exit status, after the report or a message. */
int check_btf(const struct check_btf *c);

/* One kernel's report. `file`: as it was found. */
void check_btf_text(const char *file, const struct forecast *f, FILE *to);
void check_btf_json(const char *file, const struct forecast *f, FILE *to);

/* This binary's machine, as struct btf_source has it. */
const char *own_machine(void);

#endif
