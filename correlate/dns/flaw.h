/* SPDX-License-Identifier: Apache-2.0 */
/* What can be wrong with a DNS message, each with a name for counters and events. */
#ifndef CORRELATE_DNS_FLAW_H
#define CORRELATE_DNS_FLAW_H

enum dns_flaw {
	DNS_SOUND = 0,
	DNS_SHORT,        /* less than a header's 12 octets */
	DNS_ENDS_EARLY,   /* a name or a record goes past the message's end, or fewer records than counted are there */
	DNS_LABEL_TYPE,   /* a label that begins with 01 or 10: RFC 6891 5 retired the one, nothing defines the other */
	DNS_NAME_LENGTH,  /* a name of more than 255 octets: RFC 1035 2.3.4 */
	DNS_POINTER,      /* a compression pointer that does not point back: RFC 1035 4.1.4 */
	DNS_OPT,          /* an OPT record that is not the root's, the second, or not made of options: RFC 6891 6.1 */
	DNS_TRAILING,     /* octets after the last record */
	DNS_FLAWS
};

/* "ends_early"; NULL for DNS_SOUND and unknown values. */
const char *dns_flaw_name(enum dns_flaw flaw);

#endif
