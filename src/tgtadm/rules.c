/* SPDX-License-Identifier: MIT */
/* Which operation takes which options: the order of the checks and their texts are stgt's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tgtadm/options.h"
#include "util/cleanup.h"

#define ANY "*"

enum need {
	NO_NEED,
	NEED_TARGETNAME,
	NEED_NAME_VALUE,
	NEED_NAME_VALUE_OR_PARAMS,
	NEED_INITIATOR,
	NEED_PORTAL,
	NEED_USER,
	NEED_USER_PASSWORD
};

static const struct rule {
	enum adm_mode mode;
	enum adm_op op;
	const char *takes; /* letters; ANY: they are not looked at */
	enum need need;
} rules[] = {
    {MODE_SYSTEM, OP_SHOW, ANY, NO_NEED},
    {MODE_SYSTEM, OP_STAT, ANY, NO_NEED},
    {MODE_SYSTEM, OP_DELETE, ANY, NO_NEED},
    {MODE_SYSTEM, OP_UPDATE, "nv", NEED_NAME_VALUE},
    {MODE_TARGET, OP_NEW, "tT", NEED_TARGETNAME},
    {MODE_TARGET, OP_DELETE, "t", NO_NEED},
    {MODE_TARGET, OP_SHOW, "t", NO_NEED},
    {MODE_TARGET, OP_BIND, "tIQHB", NEED_INITIATOR},
    {MODE_TARGET, OP_UNBIND, "tIQHB", NEED_INITIATOR},
    {MODE_TARGET, OP_UPDATE, "tnvP", NEED_NAME_VALUE_OR_PARAMS},
    {MODE_TARGET, OP_STAT, "t", NO_NEED},
    {MODE_LOGICALUNIT, OP_NEW, "tlbESfyY", NO_NEED},
    {MODE_LOGICALUNIT, OP_DELETE, "tl", NO_NEED},
    {MODE_LOGICALUNIT, OP_UPDATE, "tlP", NO_NEED},
    {MODE_LOGICALUNIT, OP_STAT, "tl", NO_NEED},
    {MODE_PORTAL, OP_NEW, "P", NEED_PORTAL},
    {MODE_PORTAL, OP_DELETE, "P", NEED_PORTAL},
    {MODE_PORTAL, OP_SHOW, "", NO_NEED},
    {MODE_SESSION, OP_SHOW, ANY, NO_NEED},
    {MODE_SESSION, OP_STAT, ANY, NO_NEED},
    {MODE_CONNECTION, OP_SHOW, ANY, NO_NEED},
    {MODE_CONNECTION, OP_STAT, ANY, NO_NEED},
    {MODE_CONNECTION, OP_DELETE, ANY, NO_NEED},
    {MODE_ACCOUNT, OP_NEW, "up", NEED_USER_PASSWORD},
    {MODE_ACCOUNT, OP_DELETE, "u", NO_NEED},
    {MODE_ACCOUNT, OP_UPDATE, "up", NEED_USER_PASSWORD},
    {MODE_ACCOUNT, OP_SHOW, "", NO_NEED},
    {MODE_ACCOUNT, OP_BIND, "tu", NEED_USER},
    {MODE_ACCOUNT, OP_UNBIND, "tu", NEED_USER},
    {MODE_LLD, OP_SHOW, "", NO_NEED},
    {MODE_LLD, OP_START, "", NO_NEED},
    {MODE_LLD, OP_STOP, "", NO_NEED},
    {MODE_BACKINGSTORE, OP_SHOW, "", NO_NEED},
};

bool adm_used(const struct adm_options *options, char letter)
{
	return strchr(options->used, letter) != NULL;
}

static const struct rule *find_rule(const struct adm_options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].mode == o->mode && rules[i].op == o->op)
			return &rules[i];
	}
	return NULL;
}

static int complain(const char *text)
{
	fprintf(stderr, "tgtadm: %s\n", text);
	return EINVAL;
}

/* What the mode needs whatever the operation is. */
static int check_ids(const struct adm_options *o)
{
	bool needs_lun = o->mode == MODE_LOGICALUNIT;
	bool needs_tid = needs_lun || (o->mode == MODE_TARGET && o->op != OP_SHOW);

	if (needs_tid && !adm_used(o, 't'))
		return complain("'tid' option is necessary");
	if (needs_tid && !json_integer_value(json_object_get(o->request, "tid")))
		return complain("'tid' cannot be 0");
	if (needs_lun && !adm_used(o, 'l'))
		return complain("'lun' option is necessary");
	return -1;
}

static int check_taken(const struct adm_options *o, const struct rule *rule)
{
	const char *mode = adm_mode_name(o->mode);
	/* two checks of stgt, two texts */
	bool other = (o->mode == MODE_LOGICALUNIT && o->op == OP_UPDATE) ||
		     (o->mode == MODE_PORTAL && o->op == OP_SHOW);

	for (const char *letter = o->used; *letter; letter++) {
		if (strchr(rule->takes, *letter) || strchr("FO", *letter))
			continue;
		if (other)
			fprintf(stderr, "tgtadm: option '-%c' not supported in %s mode\n", *letter,
				mode);
		else
			fprintf(stderr, "tgtadm: %s mode: option '-%c' is not allowed/supported\n",
				mode, *letter);
		return EINVAL;
	}
	return -1;
}

static int check_need(const struct adm_options *o, enum need need)
{
	switch (need) {
	case NEED_TARGETNAME:
		if (!adm_used(o, 'T'))
			return complain("creating new target requires a name, use --targetname");
		break;
	case NEED_NAME_VALUE_OR_PARAMS:
		if (adm_used(o, 'P') && !adm_used(o, 'n') && !adm_used(o, 'v'))
			break;
		/* fallthrough */
	case NEED_NAME_VALUE:
		if (!adm_used(o, 'n') || !adm_used(o, 'v'))
			return complain("update operation requires 'name' and 'value' options");
		break;
	case NEED_INITIATOR:
		if (strpbrk(o->used, "IQHB"))
			break;
		/* the missing blank is stgt's */
		fprintf(stderr,
			"tgtadm: %s operation requires initiator-address, initiator-nameor bus\n",
			adm_op_name(o->op));
		return EINVAL;
	case NEED_PORTAL:
		if (!adm_used(o, 'P'))
			return complain("you must specify --param portal=<portal>");
		break;
	case NEED_USER:
		if (!adm_used(o, 'u'))
			return complain("'user' option is necessary");
		break;
	case NEED_USER_PASSWORD:
		if (!adm_used(o, 'u') || !adm_used(o, 'p'))
			return complain("'user' and 'password' options are required");
		break;
	case NO_NEED:
		break;
	}
	return -1;
}

int adm_check(const struct adm_options *o)
{
	const struct rule *rule = find_rule(o);
	int rc;

	if (o->op == OP_NONE)
		return complain("specify the operation type");
	if (o->mode == MODE_NONE)
		return complain("specify the mode");
	rc = check_ids(o);
	if (rc >= 0)
		return rc;
	if (!rule && (o->mode == MODE_SESSION || o->mode == MODE_CONNECTION))
		return -1; /* stgt leaves the refusal to the daemon */
	if (!rule) {
		fprintf(stderr, "tgtadm: operation %s not supported in %s mode\n",
			adm_op_name(o->op), adm_mode_name(o->mode));
		return EINVAL;
	}
	if (strcmp(rule->takes, ANY) != 0) {
		rc = check_taken(o, rule);
		if (rc >= 0)
			return rc;
	}
	return check_need(o, rule->need);
}
