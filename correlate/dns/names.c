/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/dns/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* Sorted. The RFC that gives the form. */
static const struct type {
	uint16_t number;
	const char *name, *form;
} types[] = {
	{ 1, "A", "i4" },              /* 1035 */
	{ 2, "NS", "n" },              /* 1035 */
	{ 3, "MD", "n" },              /* 1035 */
	{ 4, "MF", "n" },              /* 1035 */
	{ 5, "CNAME", "n" },           /* 1035 */
	{ 6, "SOA", "nnwwwww" },       /* 1035 */
	{ 7, "MB", "n" },              /* 1035 */
	{ 8, "MG", "n" },              /* 1035 */
	{ 9, "MR", "n" },              /* 1035 */
	{ 10, "NULL", NULL },          /* 1035 */
	{ 11, "WKS", NULL },           /* 1035 */
	{ 12, "PTR", "n" },            /* 1035 */
	{ 13, "HINFO", "ss" },         /* 1035 */
	{ 14, "MINFO", "nn" },         /* 1035 */
	{ 15, "MX", "hn" },            /* 1035 */
	{ 16, "TXT", "S" },            /* 1035 */
	{ 17, "RP", "nn" },            /* 1183 */
	{ 18, "AFSDB", "hn" },         /* 1183 */
	{ 19, "X25", "s" },            /* 1183 */
	{ 20, "ISDN", NULL },          /* 1183 */
	{ 21, "RT", "hn" },            /* 1183 */
	{ 22, "NSAP", NULL },          /* 1706 */
	{ 23, "NSAP-PTR", NULL },      /* 1706 */
	{ 24, "SIG", "tbbwTThnB" },    /* 2535 */
	{ 25, "KEY", "hbbB" },         /* 2535 */
	{ 26, "PX", "ihnn" },          /* 2163 */
	{ 27, "GPOS", "sss" },         /* 1712 */
	{ 28, "AAAA", "i6" },          /* 3596 */
	{ 29, "LOC", NULL },           /* 1876 */
	{ 30, "NXT", NULL },           /* 2535 */
	{ 31, "EID", NULL },
	{ 32, "NIMLOC", NULL },
	{ 33, "SRV", "ihhhn" },        /* 2782 */
	{ 34, "ATMA", NULL },
	{ 35, "NAPTR", "ihhsssn" },    /* 3403 */
	{ 36, "KX", "ihn" },           /* 2230 */
	{ 37, "CERT", "hhbB" },        /* 4398 */
	{ 38, "A6", NULL },            /* 2874 */
	{ 39, "DNAME", "n" },          /* 6672 */
	{ 40, "SINK", NULL },
	{ 41, "OPT", NULL },           /* 6891 */
	{ 42, "APL", NULL },           /* 3123 */
	{ 43, "DS", "hbbx" },          /* 4034 */
	{ 44, "SSHFP", "bbx" },        /* 4255 */
	{ 45, "IPSECKEY", NULL },      /* 4025 */
	{ 46, "RRSIG", "tbbwTThNB" },  /* 4034 */
	{ 47, "NSEC", "NM" },          /* 4034 */
	{ 48, "DNSKEY", "hbbB" },      /* 4034 */
	{ 49, "DHCID", "iB" },         /* 4701 */
	{ 50, "NSEC3", "bbhyzM" },     /* 5155 */
	{ 51, "NSEC3PARAM", "bbhy" },  /* 5155 */
	{ 52, "TLSA", "bbbx" },        /* 6698 */
	{ 53, "SMIMEA", "bbbx" },      /* 8162 */
	{ 55, "HIP", NULL },           /* 8005 */
	{ 56, "NINFO", "S" },
	{ 57, "RKEY", "hbbB" },
	{ 58, "TALINK", "nn" },
	{ 59, "CDS", "hbbx" },         /* 7344 */
	{ 60, "CDNSKEY", "hbbB" },     /* 7344 */
	{ 61, "OPENPGPKEY", "B" },     /* 7929 */
	{ 62, "CSYNC", "whM" },        /* 7477 */
	{ 63, "ZONEMD", "wbbx" },      /* 8976 */
	{ 64, "SVCB", "ihNp" },        /* 9460 */
	{ 65, "HTTPS", "ihNp" },       /* 9460 */
	{ 66, "DSYNC", NULL },         /* 9859 */
	{ 67, "HHIT", NULL },         /* 9886 */
	{ 68, "BRID", NULL },         /* 9886 */
	{ 99, "SPF", "S" },            /* 7208 */
	{ 100, "UINFO", NULL },
	{ 101, "UID", NULL },
	{ 102, "GID", NULL },
	{ 103, "UNSPEC", NULL },
	{ 104, "NID", NULL },          /* 6742 */
	{ 105, "L32", "h4" },          /* 6742 */
	{ 106, "L64", NULL },          /* 6742 */
	{ 107, "LP", "hn" },           /* 6742 */
	{ 108, "EUI48", "e" },         /* 7043 */
	{ 109, "EUI64", "E" },         /* 7043 */
	{ 128, "NXNAME", NULL },       /* 9824 */
	{ 249, "TKEY", NULL },         /* 2930 */
	{ 250, "TSIG", NULL },         /* 8945 */
	{ 251, "IXFR", NULL },         /* 1995 */
	{ 252, "AXFR", NULL },         /* 1035 */
	{ 253, "MAILB", NULL },        /* 1035 */
	{ 254, "MAILA", NULL },        /* 1035 */
	{ 255, "ANY", NULL },          /* 1035, 8482: "*" */
	{ 256, "URI", "hhq" },         /* 7553 */
	{ 257, "CAA", "baq" },         /* 8659 */
	{ 258, "AVC", "S" },
	{ 259, "DOA", NULL },
	{ 260, "AMTRELAY", NULL },     /* 8777 */
	{ 261, "RESINFO", "S" },       /* 9606 */
	{ 262, "WALLET", "S" },
	{ 263, "CLA", "S" },
	{ 264, "IPN", NULL },
	{ 32768, "TA", "hbbx" },
	{ 32769, "DLV", "hbbx" },      /* 4431 */
};

static int by_number(const void *key, const void *row)
{
	return *(const uint16_t *)key - ((const struct type *)row)->number;
}

static const struct type *find_type(uint16_t type)
{
	/* Up to 53 no number is missing. */
	if (type && type <= 53)
		return &types[type - 1];
	return bsearch(&type, types, COUNT_OF(types), sizeof(types[0]), by_number);
}

const char *dns_type_name(uint16_t type)
{
	const struct type *t = find_type(type);

	return t ? t->name : NULL;
}

const char *dns_type_form(uint16_t type)
{
	const struct type *t = find_type(type);

	return t ? t->form : NULL;
}

int dns_type_number(const char *name)
{
	unsigned long number;
	char *end;

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (!strcasecmp(types[i].name, name))
			return types[i].number;
	if (strncasecmp(name, "TYPE", 4) || name[4] < '0' || name[4] > '9')
		return -1;
	number = strtoul(name + 4, &end, 10);
	return *end || number > UINT16_MAX ? -1 : (int)number;
}

const char *dns_class_name(uint16_t class)
{
	switch (class) {
	case 1: return "IN";
	case 3: return "CH";
	case 4: return "HS";
	case 254: return "NONE"; /* RFC 2136 */
	case 255: return "ANY";
	default: return NULL;
	}
}

const char *dns_opcode_name(uint8_t opcode)
{
	static const char *const names[] = { "QUERY", "IQUERY", "STATUS", NULL, "NOTIFY", "UPDATE", "DSO" };

	return opcode < COUNT_OF(names) ? names[opcode] : NULL;
}

const char *dns_rcode_name(uint16_t rcode)
{
	static const char *const names[] = {
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", /* RFC 1035 */
		"YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",            /* RFC 2136 */
		"DSOTYPENI",                                                       /* RFC 8490 */
		[16] = "BADVERS",                                                  /* RFC 6891 */
		"BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC",   /* RFC 8945, 2930 */
		"BADCOOKIE",                                                       /* RFC 7873 */
	};

	return rcode < COUNT_OF(names) ? names[rcode] : NULL;
}

const char *dns_extended_error_name(uint16_t code)
{
	static const char *const names[] = {
		"Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer",
		"DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing",
		"RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored",
		"Filtered", "Prohibited", "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported",
		"No Reachable Authority", "Network Error", "Invalid Data", "Signature Expired before Valid", "Too Early",
		"Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized", "Invalid Query Type",
	};

	return code < COUNT_OF(names) ? names[code] : NULL;
}

const char *dns_svc_key_name(uint16_t key)
{
	static const char *const names[] = { "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint",
					     "dohpath", "ohttp" };

	return key < COUNT_OF(names) ? names[key] : NULL;
}

static void name_or_number(const char *name, const char *prefix, uint16_t number, struct buf *out)
{
	if (name)
		buf_adds(out, name);
	else
		buf_printf(out, "%s%u", prefix, number);
}

void dns_type_text(uint16_t type, struct buf *out)
{
	name_or_number(dns_type_name(type), "TYPE", type, out);
}

void dns_class_text(uint16_t class, struct buf *out)
{
	name_or_number(dns_class_name(class), "CLASS", class, out);
}
