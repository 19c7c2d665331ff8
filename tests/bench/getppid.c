// SPDX-License-Identifier: Apache-2.0
/*
 * getppid N: N times the cheapest system call that is always made. Prints the seconds and N.
 * What a tracer adds here, every system call of every process on the machine pays.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	double start;

	if (n == 0) {
		fprintf(stderr, "usage: getppid N\n");
		return 2;
	}
	start = now();
	for (unsigned long i = 0; i < n; i++)
		syscall(SYS_getppid);
	printf("%.6f %lu\n", now() - start, n);
	return 0;
}
