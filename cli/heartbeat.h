/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a sensor that has nothing to report from one whose hook is dead.
 *
 * When no record of a kind has come for HEARTBEAT_NS, a child of ours executes this program once more
 * and ends at once: it passes the hooks of exec and exit, whose programs know it by its process id
 * and count it instead of sending a record. A hook that did not count it is dead: somebody detached
 * the program, or the kernel stopped calling it. It is judged by event, not by sensor: a hook can die
 * while others of its sensor go on. What no child of ours can bring about (cgroups) is not tested.
 */
#ifndef CLI_HEARTBEAT_H
#define CLI_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/collector.h"

#define HEARTBEAT_NS 60000000000ull      /* of silence */
#define HEARTBEAT_WAIT_S 5               /* after which the child ends itself */

enum heartbeat_state { HEARTBEAT_UNTESTED, HEARTBEAT_ALIVE, HEARTBEAT_DEAD };

struct heartbeat {
	uint64_t every_ns; /* 0: HEARTBEAT_NS */
	uint64_t seen[TAPIO_EV_MAX];       /* records, as last looked at */
	uint64_t changed_ns[TAPIO_EV_MAX]; /* when that number last grew, or a beat was felt */
	bool dead[TAPIO_EV_MAX];
	enum heartbeat_state state[TAPIO_SENSOR_MAX]; /* dead if one of its hooks is */
	uint64_t beats[TAPIO_EV_MAX]; /* felt before this one was sent */
	uint64_t sent_ns;             /* 0: none is on its way */
	pid_t child;
	uint64_t sent, failed; /* heartbeats; those that could not be sent */
};

/* Once a second or so. `records`: by type of event. */
void heartbeat_tick(struct heartbeat *h, struct collector *c, const uint64_t records[TAPIO_EV_MAX],
		    uint64_t now_ns);

/* What the child does, after execve. */
int cmd_heartbeat(int argc, char **argv);

#endif
