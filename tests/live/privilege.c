/* SPDX-License-Identifier: Apache-2.0 */
/* Sensors load, attach and report after everything was given up that the agent gives up. */
#include "base/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/privileges.h"
#include "collect/tracefs.h"
#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

static int fail_then_exec(void *arg)
{
	struct live *l = arg;
	char *const argv[] = { "tapio-given-up", NULL };

	execve("/nowhere/at-all", argv, stimulus_quiet);
	execve(l->program, argv, stimulus_quiet);
	return 99;
}

/* What a reload has: what was opened at set-up, and what is kept. */
static void give_up(void)
{
	uint64_t keep = privilege_exists(CAP_BPF) ? 1ull << CAP_BPF | 1ull << CAP_PERFMON : 1ull << CAP_SYS_ADMIN;
	char why[128] = "";
	int err;

	if (privileges_perf_takes_admin())
		keep |= 1ull << CAP_SYS_ADMIN;
	tracefs_dir();
	err = privilege_keep(keep | 1ull << CAP_IPC_LOCK, why, sizeof(why));
	REQUIRE(!err, "%s", why);
	err = privilege_seccomp(PRIVILEGE_EXEC, why, sizeof(why));
	REQUIRE(!err || err == -ENOSYS, "%s", why);
}

static void check_given_up(struct live *l)
{
	struct ended e;

	give_up();
	live_start(l);
	e = child_run(fail_then_exec, l);
	CHECK(WIFEXITED(e.status) && !WEXITSTATUS(e.status), "%s: the program ended with %#x", l->name,
	      (unsigned)e.status);
	live_drain(l);
	live_one(l, TAPIO_EV_PROCESS_EXEC, e.pid);
	expect_number(l, live_one(l, TAPIO_EV_PROCESS_EXEC_FAILED, e.pid), "error.type", ENOENT);
	expect_number(l, live_one(l, TAPIO_EV_PROCESS_EXIT, e.pid), "process.exit.code", 0);
}

TEST(live, given_up)
{
	live_on_every_tier(check_given_up);
}
