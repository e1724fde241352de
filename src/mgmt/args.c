/* SPDX-License-Identifier: MIT */
#include "mgmt/args.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

enum member_type { TEXT, NUMBER, FLAG };

/* The members of a request. */
static const struct member {
	const char *name;
	enum member_type type;
	size_t offset, has_offset;
	uint64_t max;
} members[] = {
#define TEXT_MEMBER(field)                                                                         \
	{                                                                                          \
#field, TEXT, offsetof(struct mgmt_args, field), 0, 0                              \
	}
#define FLAG_MEMBER(field)                                                                         \
	{                                                                                          \
#field, FLAG, offsetof(struct mgmt_args, field), 0, 0                              \
	}
#define NUMBER_MEMBER(field, max)                                                                  \
	{                                                                                          \
#field, NUMBER, offsetof(struct mgmt_args, field),                                 \
		    offsetof(struct mgmt_args, has_##field), max                                   \
	}
    NUMBER_MEMBER(version, UINT32_MAX),
    TEXT_MEMBER(op),
    TEXT_MEMBER(mode),
    TEXT_MEMBER(lld),
    NUMBER_MEMBER(tid, INT32_MAX),
    NUMBER_MEMBER(sid, INT64_MAX),
    NUMBER_MEMBER(cid, UINT32_MAX),
    NUMBER_MEMBER(lun, INT64_MAX),
    NUMBER_MEMBER(blocksize, UINT32_MAX),
    FLAG_MEMBER(force),
    FLAG_MEMBER(outgoing),
    FLAG_MEMBER(pretend),
    FLAG_MEMBER(ignore_errors),
    TEXT_MEMBER(name),
    TEXT_MEMBER(value),
    TEXT_MEMBER(params),
    TEXT_MEMBER(backing_store),
    TEXT_MEMBER(bstype),
    TEXT_MEMBER(bsopts),
    TEXT_MEMBER(bsoflags),
    TEXT_MEMBER(device_type),
    TEXT_MEMBER(targetname),
    TEXT_MEMBER(initiator_address),
    TEXT_MEMBER(initiator_name),
    TEXT_MEMBER(user),
    TEXT_MEMBER(password),
    TEXT_MEMBER(file),
};

static const struct member *find_member(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	}
	return NULL;
}

/* NULL, or what the value should have been. */
static const char *take(const struct member *m, const json_t *value, struct mgmt_args *args)
{
	char *base = (char *)args;

	if (m->type == TEXT) {
		const char *text = json_string_value(value);

		memcpy(base + m->offset, &text, sizeof(text));
		return text ? NULL : "a string";
	}
	if (m->type == FLAG) {
		bool on = json_is_true(value);

		memcpy(base + m->offset, &on, sizeof(on));
		return json_is_boolean(value) ? NULL : "true or false";
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > m->max)
		return "an integer, not negative and in range";
	uint64_t number = (uint64_t)json_integer_value(value);

	memcpy(base + m->offset, &number, sizeof(number));
	base[m->has_offset] = true;
	return NULL;
}

bool mgmt_args_parse(json_t *object, struct mgmt_args *args, char *error, size_t size)
{
	const char *key;
	json_t *value;

	memset(args, 0, sizeof(*args));
	if (!json_is_object(object)) {
		snprintf(error, size, "a request is a JSON object");
		return false;
	}
	json_object_foreach(object, key, value)
	{
		const struct member *m = find_member(key);
		const char *expected = m ? take(m, value, args) : NULL;

		if (!m || expected) {
			snprintf(error, size, "\"%.40s\" %s%s", key, m ? "must be " : "is unknown",
				 m ? expected : "");
			return false;
		}
	}
	if (args->has_version && args->version != MGMT_PROTOCOL_VERSION) {
		snprintf(error, size, "protocol version %llu is not spoken here, %d is",
			 (unsigned long long)args->version, MGMT_PROTOCOL_VERSION);
		return false;
	}
	if (!args->op || !args->mode) {
		snprintf(error, size, "\"op\" and \"mode\" are necessary");
		return false;
	}
	return true;
}
