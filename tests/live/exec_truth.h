/* SPDX-License-Identifier: Apache-2.0 */
/* A record of process.exec against what the program said about itself. */
#ifndef TESTS_LIVE_EXEC_TRUTH_H
#define TESTS_LIVE_EXEC_TRUTH_H

#include "tests/live/harness.h"
#include "tests/live/stimulus.h"

/*
 * Compares every published field; one that nothing is known about is a failure. `given`: the
 * arguments of the call, NUL after each, for tiers that read them there. They differ from what the
 * program gets if it is a script, and if there are none. NULL: the same as the truth's.
 */
void expect_exec(const struct live *l, const struct event_view *view, const struct truth *t, const char *given,
		 size_t given_bytes);

#endif
