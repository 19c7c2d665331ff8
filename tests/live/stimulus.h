/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What live tests do to the machine, and what they know about it.
 *
 * There is no other program in a guest, so a test starts copies of this one: a variable of the
 * environment tells a copy, before main(), that it is a stimulus and what to do. So argv is the
 * test's to choose.
 */
#ifndef TESTS_LIVE_STIMULUS_H
#define TESTS_LIVE_STIMULUS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "event/event.h"

/* Environments: the program writes its truth and exits with 0; or it does nothing but that. */
extern char *const stimulus_report[];
extern char *const stimulus_quiet[];
#define STIMULUS_SECRET "never-in-the-arguments" /* in both environments */

/* What a program says about itself: the ground truth of its exec record. */
struct truth {
	int32_t pid; /* as /proc sees it: in the initial pid namespace */
	int32_t vpid;
	int32_t parent_pid;
	uint32_t uid, euid, gid, egid;
	uint32_t pid_ns, mnt_ns, net_ns, user_ns, cgroup_ns;
	uint32_t argc;
	uint32_t args_size;
	uint64_t start_ticks, parent_start_ticks; /* clock ticks since boot */
	uint64_t cap_effective, cap_permitted;
	uint64_t boot_ns; /* when it said so */
	char comm[TAPIO_COMM_LEN];
	char exe[PATH_MAX + 16];
	char cwd[PATH_MAX + 16];
	char filename[PATH_MAX];
	char args[TAPIO_ARGS_MAX];
};

/* Opens the place where reporting programs write. Once per process. */
void truth_open(void);
/* What was written since the last call; false if nothing was. */
bool truth_take(struct truth *ret);

/* A child of the test: ends with fn's result as its status. */
pid_t child_start(int (*fn)(void *arg), void *arg);

/* How a child ended, and what the kernel knows of it. */
struct ended {
	pid_t pid;
	int status; /* as wait(2) gives it */
	struct rusage usage; /* its children's included */
	bool had_children;   /* set by the test */
	uint64_t start_ticks;
	uint64_t user_ticks, system_ticks; /* without those of its children */
};

/* Waits for it. */
struct ended child_end(pid_t pid);

/* The comm of this process, and so of the children that it forks. */
void child_name(const char *comm);

/* Both. */
struct ended child_run(int (*fn)(void *arg), void *arg);

/* A thread that runs fn and then leaves, alone. Its id. */
pid_t thread_start(int (*fn)(void *arg), void *arg);

/* A gate that children wait at until the test opens it: a pipe. */
struct gate {
	int fds[2];
};

struct gate gate_make(void);
void gate_wait(struct gate *g);  /* in a child */
void gate_open(struct gate *g);  /* in the test: everybody passes */

/* Makes a directory of the test's own and in it a copy of this program. */
void stimulus_dir(char *dir, size_t dir_size, char *program, size_t program_size);
/* Copies a file, as executable. */
void copy_program(const char *from, const char *to);
/* Whether execveat(2) of a descriptor works at all: Debian's arm64 5.10 answers ENOENT to every one. Tried. */
bool execveat_takes_descriptors(void);
void write_file(const char *path, const char *text, mode_t mode);
void remove_tree(const char *path);

/* The cgroup v2 directory of this process, false if there is no such mount. */
bool own_cgroup(char *path, size_t size);
/* Its id, 0 if there is none. */
uint64_t own_cgroup_id(void);

void own_capabilities(uint64_t *ret_effective, uint64_t *ret_permitted);
/* Inode number of a namespace of this process. */
uint32_t own_namespace(const char *name);

#endif
