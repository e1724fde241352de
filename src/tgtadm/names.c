/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tgtadm/options.h"
#include "util/cleanup.h"

static const struct {
	const char *name, *alias;
} modes[] = {
    [MODE_SYSTEM] = {"system", "sys"},
    [MODE_TARGET] = {"target", "tgt"},
    [MODE_LOGICALUNIT] = {"logicalunit", "lu"},
    [MODE_PORTAL] = {"portal", "pt"},
    [MODE_SESSION] = {"session", "sess"},
    [MODE_CONNECTION] = {"conn", "connection"},
    [MODE_ACCOUNT] = {"account", NULL},
    [MODE_LLD] = {"lld", NULL},
    [MODE_BACKINGSTORE] = {"backingstore", "bs"},
};

static const char *const ops[] = {
    [OP_NEW] = "new",   [OP_DELETE] = "delete", [OP_SHOW] = "show",
    [OP_BIND] = "bind", [OP_UNBIND] = "unbind", [OP_UPDATE] = "update",
    [OP_STAT] = "stat", [OP_START] = "start",   [OP_STOP] = "stop",
};

const char *adm_mode_name(enum adm_mode mode)
{
	return modes[mode].name;
}

const char *adm_op_name(enum adm_op op)
{
	return ops[op];
}

enum adm_mode adm_find_mode(const char *name)
{
	for (size_t i = MODE_NONE + 1; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i].name, name) == 0 ||
		    (modes[i].alias && strcmp(modes[i].alias, name) == 0))
			return (enum adm_mode)i;
	}
	return MODE_NONE;
}

enum adm_op adm_find_op(const char *name)
{
	for (size_t i = OP_NONE + 1; i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i], name) == 0)
			return (enum adm_op)i;
	}
	return OP_NONE;
}
