/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What redaction costs one command line, in nanoseconds of CPU time, best of five rounds: lines as
 * they are typical, and 16 KiB as somebody makes them who wants it to take long.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "pipeline/redact.h"

enum { ROUNDS = 5 };

static char out[8 * TAPIO_RECORD_MAX], hostile[TAPIO_ARGS_MAX];

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void measure(const char *name, const char *args, size_t n, unsigned times)
{
	double best = 0, took;
	size_t length = 0;
	bool cut, found = false;

	for (int round = 0; round < ROUNDS; round++) {
		took = cpu_ns();
		for (unsigned i = 0; i < times; i++) {
			found = redact_args(args, n, out, sizeof(out), &length, &cut);
			__asm__ volatile("" ::: "memory");
		}
		took = (cpu_ns() - took) / times;
		best = !best || took < best ? took : best;
	}
	printf("%-24s %5zu bytes  %9.0f ns  %s\n", name, n, best, found ? "redacted" : "-");
}

#define MEASURE(name, args) measure(name, args, sizeof(args), 1000000)

static void measure_hostile(const char *name, const char *pattern, size_t length)
{
	for (size_t i = 0; i < sizeof(hostile); i++)
		hostile[i] = pattern[i % length];
	measure(name, hostile, sizeof(hostile), 20);
}

#define HOSTILE(name, pattern) measure_hostile(name, pattern, sizeof(pattern) - 1)

int main(void)
{
	MEASURE("10 arguments", "/usr/bin/grep\0--line-number\0--recursive\0--include\0*.log\0--color\0-e\0"
				"connection refused\0--\0/var/log/app");
	MEASURE("2 arguments", "ls\0-l");
	MEASURE("kubelet", "/usr/bin/kubelet\0--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf\0"
			   "--kubeconfig=/etc/kubernetes/kubelet.conf\0--config=/var/lib/kubelet/config.yaml\0"
			   "--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock");
	MEASURE("a short flag", "mkdir\0-p\0/var/lib/app/releases/current/tmp\0/var/lib/app/shared/log");
	MEASURE("a script", "sh\0-c\0set -e; cd /srv/app && ./configure --prefix=/usr --author x && make -j8 install");
	MEASURE("a secret", "mysql\0-uroot\0--password=hunter2\0-h\0db\0--execute\0select 1");
	HOSTILE("names", "key=\"");
	HOSTILE("-c", "-c\0");
	HOSTILE("URLs", "=//a:b/");
	HOSTILE("IDENTIFIED", "identified ");
	HOSTILE("quotes", "'\"key=\\\"");
	HOSTILE("flags", "--key\0");
	HOSTILE("words", "curl -u ");
	HOSTILE("brackets", "\"key\":[{");
	HOSTILE("backslashes", "\\\\key\\");
	HOSTILE("one name", "key");
	HOSTILE("@", "//:@");
	return 0;
}
