/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/bpflog.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* A verifier log may be megabytes; its last lines and libbpf's first complaint are enough. */
static char complaint[256];
static char program[64];
static char verdict[256];

void bpflog_begin(void)
{
	complaint[0] = program[0] = verdict[0] = '\0';
}

static void keep(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

/* In a verifier log the reason is the last line before the statistics; 7.3 explains it afterwards. */
static void keep_verdict(const char *log)
{
	const char *explained = strstr(log, "\nVerification failed: ");
	const char *end = explained ? explained : strstr(log, "-- END PROG LOAD LOG --");

	for (const char *line = log; *line && (!end || line < end);) {
		size_t n = strcspn(line, "\n");

		if (n && strncmp(line, "processed ", 10) && strncmp(line, "-- ", 3))
			keep(verdict, sizeof(verdict), line, n);
		line += n + (line[n] == '\n');
	}
}

static void note(const char *text)
{
	const char *log = strstr(text, "-- BEGIN PROG LOAD LOG --\n"), *name = strstr(text, "prog '");

	if (log) {
		keep_verdict(log + strlen("-- BEGIN PROG LOAD LOG --\n"));
		return;
	}
	if (name && strstr(text, "load failed") && !program[0])
		keep(program, sizeof(program), name + 6, strcspn(name + 6, "'"));
	if (!complaint[0])
		keep(complaint, sizeof(complaint), text, strcspn(text, "\n"));
}

__attribute__((format(printf, 2, 0))) static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	static char *text; /* a verifier log of 16 MiB at most, and only once something failed */
	va_list again;
	int n;

	if (level == LIBBPF_DEBUG && log_max < LOG_DEBUG)
		return 0;
	va_copy(again, ap);
	n = vasprintf(&text, fmt, again);
	va_end(again);
	if (n < 0)
		return 0;
	if (level == LIBBPF_WARN)
		note(text);
	log_debug("libbpf: %.*s", (int)strcspn(text, "\n") == n - 1 ? n - 1 : n, text);
	free(text);
	text = NULL;
	return n;
}

void bpflog_init(void)
{
	libbpf_set_print(print);
}

void bpflog_reason(int err, char *why, size_t size)
{
	const char *name = strerror(err < 0 ? -err : err);

	if (verdict[0])
		snprintf(why, size, "program %s: %s: verifier: %s", program, name, verdict);
	else if (program[0])
		snprintf(why, size, "program %s: %s", program, name);
	else if (complaint[0])
		snprintf(why, size, "%s: %s", complaint, name);
	else
		snprintf(why, size, "loading: %s", name);
}
