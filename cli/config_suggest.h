/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the words that are allowed a wrong one was meant to be. */
#ifndef CLI_CONFIG_SUGGEST_H
#define CLI_CONFIG_SUGGEST_H

struct suggestion {
	const char *wrong;
	const char *best; /* NULL: none is near; one of the candidates, which the caller owns */
	unsigned distance;
};

void suggest_from(struct suggestion *suggestion, const char *candidate);

/* " did you mean 'best'?", or nothing. */
const char *suggest_text(const struct suggestion *suggestion, char *ret, unsigned size);

#endif
