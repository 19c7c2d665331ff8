/* SPDX-License-Identifier: Apache-2.0 */
#include "export/names.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "tests/test.h"

static bool is(const char *name, const char *expected)
{
	return name && !strcmp(name, expected);
}

TEST(unit, names_of_errors)
{
	CHECK(is(errno_name(ENOENT), "ENOENT") && is(errno_name(EACCES), "EACCES"), "errno");
	CHECK(is(errno_name(EHWPOISON), "EHWPOISON") && is(errno_name(EAGAIN), "EAGAIN"), "errno");
	CHECK(!errno_name(0) && !errno_name(-1) && !errno_name(524) && !errno_name(INT_MAX) &&
		      !errno_name(INT_MIN),
	      "a symbol for what has none");
}

/* The C library's own names say the same, for all but SIGIO, which it calls by its other name. */
TEST(unit, names_of_signals)
{
	char expected[32];

	for (unsigned sig = 0; sig < 100; sig++) {
		const char *name = signal_name(sig);

		snprintf(expected, sizeof(expected), "SIG%s", sig && sig < 32 ? sigabbrev_np((int)sig) : "");
		if (sig == SIGIO)
			strcpy(expected, "SIGIO");
		CHECK(sig && sig < 32 ? is(name, expected) : !name, "signal %u: %s", sig, name ? name : "-");
	}
	CHECK(!signal_name(UINT_MAX), "the largest");
}

TEST(unit, names_of_capabilities)
{
	CHECK(is(cap_name(CAP_CHOWN), "CAP_CHOWN") && is(cap_name(CAP_NET_ADMIN), "CAP_NET_ADMIN") &&
		      is(cap_name(CAP_SYS_ADMIN), "CAP_SYS_ADMIN") && is(cap_name(CAP_SETFCAP), "CAP_SETFCAP") &&
		      is(cap_name(CAP_AUDIT_READ), "CAP_AUDIT_READ"),
	      "capability");
	CHECK(is(cap_name(39), "CAP_BPF") && is(cap_name(40), "CAP_CHECKPOINT_RESTORE"), "capability");
	for (unsigned i = 0; i <= 40; i++)
		CHECK(cap_name(i) && !strncmp(cap_name(i), "CAP_", 4), "capability %u", i);
	CHECK(!cap_name(41) && !cap_name(63) && !cap_name(UINT_MAX), "a symbol for what has none");
}
