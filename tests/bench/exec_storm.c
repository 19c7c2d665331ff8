// SPDX-License-Identifier: Apache-2.0
/*
 * exec_storm [-i MICROSECONDS] N PATH [ARGUMENT...]
 *
 * N times vfork, execve PATH, wait for its end; MICROSECONDS between two of them (0). Prints the
 * seconds that this took and N. Every child must exec and end with status 0, or the program fails:
 * the count that it prints is the count that a tracer has to report.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int run_once(char **argv, char **env)
{
	int status;
	pid_t pid = vfork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		execve(argv[0], argv, env);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOEXEC;
}

int main(int argc, char **argv)
{
	/* Short, so that a tracer that reports the environment is not judged by the caller's. */
	char *env[] = { "PATH=/usr/bin:/bin", NULL };
	unsigned long n, interval_us = 0;
	double start;
	int opt, err;

	while ((opt = getopt(argc, argv, "+i:")) != -1) {
		if (opt != 'i')
			return 2;
		interval_us = strtoul(optarg, NULL, 10);
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: exec_storm [-i MICROSECONDS] N PATH [ARGUMENT...]\n");
		return 2;
	}
	n = strtoul(argv[optind], NULL, 10);

	start = now();
	for (unsigned long i = 0; i < n; i++) {
		err = run_once(argv + optind + 1, env);
		if (err) {
			fprintf(stderr, "exec_storm: run %lu of %s: %s\n", i, argv[optind + 1], strerror(-err));
			return 1;
		}
		if (interval_us)
			usleep(interval_us);
	}
	printf("%.6f %lu\n", now() - start, n);
	return 0;
}
