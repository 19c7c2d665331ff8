/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes secrets out of command lines before a sink sees them. What is taken for a secret, and what
 * is not, is told in docs/REDACTION.md; where a rule is in doubt it takes too much.
 */
#ifndef PIPELINE_REDACT_H
#define PIPELINE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "event/view.h"

/* Takes the place of a secret, whatever its length. */
#define REDACTED "[redacted]"

/*
 * Copies NUL-separated arguments (struct tapio_strv, at most TAPIO_RECORD_MAX bytes) and replaces
 * secrets. Returns whether there were any; if not, nothing is written. At most max bytes are
 * written, *ret_n how many; *ret_cut tells that more was to be.
 */
bool redact_args(const char *args, size_t n, char *out, size_t max, size_t *ret_n, bool *ret_cut);

enum redact_mode {
	REDACT_FULL,     /* arguments stay as they are */
	REDACT_SECRETS,  /* secrets in them are replaced */
	REDACT_ALL       /* no argument stays */
};

#define REDACT_ABSENT_MAX 4096

/* Memory for one redacted event. */
struct redacted {
	union {
		struct tapio_event ev;
		char bytes[TAPIO_RECORD_MAX];
	};
	struct event_absent absent;
	char json[REDACT_ABSENT_MAX];
};

/*
 * Gives in *out the event as sinks may see it: `in` itself, or a copy of it in `memory`, valid as
 * long as both. process.command_args that were removed whole are named as absent; so is
 * process.args.size where a secret was replaced, because it would tell the secret's length.
 */
void redact_view(const struct event_view *in, enum redact_mode mode, struct redacted *memory,
		 struct event_view *out);

#endif
