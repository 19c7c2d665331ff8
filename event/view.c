/* SPDX-License-Identifier: Apache-2.0 */
#include "event/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static bool ref_fits(unsigned offset, unsigned length, size_t fixed, size_t size)
{
	return !length || (offset >= fixed && offset + length <= size);
}

static bool field_fits(const char *record, const struct event_field *f, size_t fixed, size_t size)
{
	struct tapio_str ref;

	if (f->kind != KIND_STR && f->kind != KIND_STRV && f->kind != KIND_PATH)
		return true;
	memcpy(&ref, record + f->offset, sizeof(ref)); /* all three begin alike */
	return ref_fits(ref.offset, ref.length, fixed, size);
}

int event_check(const void *data, size_t size, const struct event_desc **ret_desc)
{
	const struct tapio_event *ev = data;
	const struct event_desc *desc;

	if (size < sizeof(*ev) || size > TAPIO_RECORD_MAX || ev->size > size)
		return -EBADMSG;
	desc = event_desc_of_record(ev->type);
	if (!desc)
		return -ENOENT;
	if (ev->size < desc->size)
		return -EBADMSG;
	for (unsigned i = 0; i < desc->nfields; i++)
		if (!field_fits(data, &desc->fields[i], desc->size, ev->size))
			return -EBADMSG;
	*ret_desc = desc;
	return 0;
}

struct bytes event_str(const struct event_view *view, const struct event_field *field)
{
	const char *record = (const char *)view->ev;
	struct tapio_str ref;

	memcpy(&ref, record + field->offset, sizeof(ref));
	return (struct bytes){ record + ref.offset, ref.length };
}

bool event_strv_next(const struct event_view *view, const struct event_field *field, size_t *pos,
		     struct bytes *ret)
{
	struct bytes all = event_str(view, field);
	const char *start, *end;

	if (*pos >= all.length)
		return false;
	start = all.data + *pos;
	end = memchr(start, '\0', all.length - *pos);
	*ret = (struct bytes){ start, end ? (size_t)(end - start) : all.length - *pos };
	*pos += ret->length + 1;
	return true;
}

bool event_path_next(const struct event_view *view, const struct event_field *field, size_t *pos,
		     struct bytes *ret)
{
	struct bytes all = event_str(view, field);
	size_t end = all.length - *pos, start;

	if (!end)
		return false;
	end -= !all.data[end - 1]; /* the last NUL may be missing */
	for (start = end; start && all.data[start - 1]; start--)
		;
	*ret = (struct bytes){ all.data + start, end - start };
	*pos = all.length - start;
	return true;
}

unsigned event_path_flags(const struct event_view *view, const struct event_field *field)
{
	struct tapio_path ref;

	memcpy(&ref, (const char *)view->ev + field->offset, sizeof(ref));
	return ref.flags;
}

static size_t path_append(char *buf, size_t at, const char *s, size_t n)
{
	if (n > EVENT_PATH_BUF - at)
		n = EVENT_PATH_BUF - at;
	memcpy(buf + at, s, n);
	return at + n;
}

size_t event_path(const struct event_view *view, const struct event_field *field, char *buf)
{
	unsigned flags = event_path_flags(view, field);
	size_t at = 0, pos = 0;
	struct bytes name;

	if (!event_str(view, field).length)
		return 0;
	if (flags & TAPIO_PATH_TRUNCATED)
		at = path_append(buf, at, EVENT_PATH_CUT, sizeof(EVENT_PATH_CUT) - 1);
	while (event_path_next(view, field, &pos, &name)) {
		at = path_append(buf, at, "/", 1);
		at = path_append(buf, at, name.data, name.length);
	}
	if (flags & TAPIO_PATH_DELETED)
		at = path_append(buf, at, EVENT_PATH_GONE, sizeof(EVENT_PATH_GONE) - 1);
	return at;
}

const char *event_who(const struct event_view *view, const struct event_field *field)
{
	const char *at = (const char *)view->who + field->offset, *text;

	if (!view->who)
		return NULL;
	if (field->kind == KIND_REASON)
		return identity_reason_name(*(const uint32_t *)at);
	memcpy(&text, at, sizeof(text));
	return text;
}

struct tapio_address event_address(const struct event_view *view, const struct event_field *field)
{
	struct tapio_address address;

	memcpy(&address, (const char *)view->ev + field->offset, sizeof(address));
	return address;
}

size_t event_address_text(const struct tapio_address *address, char *buf)
{
	if (!address->family || !inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->octets, buf, EVENT_ADDRESS_BUF))
		return 0;
	return strlen(buf);
}

/* Sizes that the compiler knows become single loads; little-endian wherever Tapio is built for. */
static inline uint64_t load_unsigned(const char *at, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case sizeof(u64):
		memcpy(&u64, at, sizeof(u64));
		return u64;
	case sizeof(u32):
		memcpy(&u32, at, sizeof(u32));
		return u32;
	case sizeof(u16):
		memcpy(&u16, at, sizeof(u16));
		return u16;
	default:
		return (unsigned char)at[0];
	}
}

int64_t event_number(const struct event_view *view, const struct event_field *field)
{
	const char *at = (const char *)view->ev + field->offset;

	switch (field->kind) {
	case KIND_S32:
	case KIND_ERRNO:
		return (int32_t)load_unsigned(at, sizeof(int32_t));
	case KIND_COMM:
		return at[0] != '\0';
	default:
		return (int64_t)load_unsigned(at, field->size);
	}
}

bool event_has(const struct event_view *view, const struct event_field *field, unsigned index)
{
	if (field->kind == KIND_NONE)
		return false;
	if (view->absent && (view->absent->mask >> index & 1))
		return false;
	if (field->kind == KIND_STR || field->kind == KIND_STRV || field->kind == KIND_PATH)
		return event_str(view, field).length != 0;
	if (field->kind == KIND_ADDRESS)
		return event_address(view, field).family == 4 || event_address(view, field).family == 6;
	if (!(field->flags & (OMIT_ZERO | OMIT_NEGATIVE | OMIT_ONES | OMIT_FALSE)))
		return true;
	int64_t value = event_number(view, field);

	if ((field->flags & (OMIT_ZERO | OMIT_FALSE)) && !value)
		return false;
	if ((field->flags & OMIT_NEGATIVE) && value < 0)
		return false;
	return !((field->flags & OMIT_ONES) && value == -1);
}
