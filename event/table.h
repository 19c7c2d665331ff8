/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of events: one row per published field.
 *
 * JSON, the terminal table, filters, `tapio schema` and docs/EVENTS.md are loops over it, so that
 * an event is described once. Offset, size and kind of a row come from the record's struct.
 * Published names and types change only with SCHEMA_MAJOR.
 */
#ifndef EVENT_TABLE_H
#define EVENT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "event/event.h"

#define SCHEMA_MAJOR 1
#define SCHEMA_MINOR 2

/* How the bytes of a field are read. Told by the member's type, never written by hand. */
enum field_kind {
	KIND_NONE = 0, /* padding: described, not published */
	KIND_U8,
	KIND_U16,
	KIND_U32,
	KIND_U64,
	KIND_S32,
	KIND_BOOL,
	KIND_COMM,    /* char[TAPIO_COMM_LEN], NUL-padded */
	KIND_STR,     /* struct tapio_str */
	KIND_STRV,    /* struct tapio_strv: array of strings */
	KIND_PATH,    /* struct tapio_path */
	KIND_INSTANT, /* struct tapio_instant: RFC 3339 */
	KIND_ERRNO,   /* struct tapio_errno: the number, or with AS_NAME the symbol */
	KIND_SIGNAL,  /* struct tapio_signal: the number */
	KIND_CAPS,    /* struct tapio_caps: array of capability names */
	KIND_SENSOR,  /* struct tapio_sensor_id: name */
	KIND_CAUSE,   /* struct tapio_cause_id: name */
	KIND_ADDRESS, /* struct tapio_address: text */
	KIND_WHO,     /* a string of struct event_identity, NULL: left out */
	KIND_REASON   /* enum identity_reason in struct event_identity: name */
};

/* Field flags. */
#define OMIT_ZERO 0x1     /* 0 means unknown or none: left out */
#define OMIT_NEGATIVE 0x2 /* negative means unknown or none: left out */
#define OMIT_ONES 0x4     /* all ones means unknown or none: left out */
#define OMIT_FALSE 0x8    /* left out unless true */
#define ALIAS 0x10        /* a second row on a member that another row describes */
#define AS_NAME 0x20      /* published as a symbol instead of a number */
#define FAILURE 0x40      /* other than 0 it tells of a failure: made to stand out for people */

struct event_field {
	uint16_t offset;
	uint16_t size;
	uint8_t kind;  /* enum field_kind */
	uint8_t flags;
	const char *name; /* public name */
	const char *help;
	const char *unit;  /* UCUM: "ns", "By"; NULL: none */
	const char *label; /* heading in the terminal's details; "" prints the value alone; NULL hides it */
};

struct event_desc {
	uint16_t type;
	uint16_t size;   /* bytes of header and fixed fields: the smallest valid record */
	uint8_t sensor;  /* enum tapio_sensor; 0: made by the pipeline itself */
	uint8_t ring;
	uint8_t off;     /* 1: only on request */
	uint8_t nfields;
	const char *name;
	const char *help;
	const struct event_field *fields; /* padding rows included */
};

#define FIELD_MEMBER(s, m) (((struct s *)0)->m)

#define FIELD_KIND(x)                                                                              \
	_Generic((x), __u8 : KIND_U8, __u16 : KIND_U16, __u32 : KIND_U32, __u64 : KIND_U64,        \
		 __s32 : KIND_S32, bool : KIND_BOOL, char * : KIND_COMM,                           \
		 struct tapio_str : KIND_STR, struct tapio_strv : KIND_STRV,                       \
		 struct tapio_path : KIND_PATH, struct tapio_instant : KIND_INSTANT,               \
		 struct tapio_errno : KIND_ERRNO, struct tapio_signal : KIND_SIGNAL,               \
		 struct tapio_caps : KIND_CAPS, struct tapio_sensor_id : KIND_SENSOR,              \
		 struct tapio_cause_id : KIND_CAUSE, struct tapio_address : KIND_ADDRESS)

/* FIELD(struct tag, member, public name, help, [.unit =, .label =, .flags =]) */
#define FIELD(s, m, public_name, help_text, ...)                                                   \
	{                                                                                          \
		.offset = offsetof(struct s, m), .size = sizeof(FIELD_MEMBER(s, m)),               \
		.kind = FIELD_KIND(FIELD_MEMBER(s, m)), .name = public_name, .help = help_text,    \
		##__VA_ARGS__                                                                      \
	}

/* A member that is not published: padding. */
#define PAD(s, m)                                                                                  \
	{                                                                                          \
		.offset = offsetof(struct s, m), .size = sizeof(FIELD_MEMBER(s, m)),               \
		.kind = KIND_NONE                                                                  \
	}

/*
 * Fields that every event of a process has, read from the header. Bit i of an absence mask is
 * common field i; bit (event_ncommon + i) is field i of the event.
 */
extern const struct event_field event_common[];
extern const unsigned event_ncommon;

/*
 * What user space knows of the process's cgroup: fields of struct event_identity, each left out where
 * it is unknown or does not apply. Not part of absence masks: "tapio.identity.unknown" says why.
 */
extern const struct event_field event_identity_fields[];
extern const unsigned event_nidentity;

/* An event that is published; NULL if the type is unknown. */
const struct event_desc *event_desc_by_type(unsigned type);

/* Also of records that are never published: correlate/ makes events of them. */
const struct event_desc *event_desc_of_record(unsigned type);

/* NULL if the name is unknown. */
const struct event_desc *event_desc_by_name(const char *name);

/* Events that are about a process have the common fields; tapio.lost has none. */
static inline unsigned event_common_count(const struct event_desc *desc)
{
	return desc->sensor ? event_ncommon : 0;
}

/* Whether events of this type say whom they are about. */
static inline bool event_has_identity(const struct event_desc *desc)
{
	return desc->sensor || desc->type == TAPIO_EV_IDENTITY || desc->type == TAPIO_EV_LOST;
}

/* Index in the absence mask of a published field of this event, -ENOENT if it has none of that name. */
int event_field_index(const struct event_desc *desc, const char *name);

/* Lower-case names; NULL outside the enum. */
const char *sensor_name(unsigned sensor);
const char *cause_name(unsigned cause);
const char *cause_help(unsigned cause);
const char *identity_reason_name(unsigned reason);
const char *identity_reason_help(unsigned reason);
const char *collector_name(unsigned sensor); /* which collector the sensor belongs to */

/* -ENOENT if unknown. */
int sensor_by_name(const char *name);

#endif
