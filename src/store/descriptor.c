/* SPDX-License-Identifier: MIT */
#include "store/descriptor.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "store/options.h"
#include "util/cleanup.h"

#define MAX_NAME 31
#define MAX_REQUEST_SIZE 4096
#define MAX_OPTIONS 256
#define MAX_OPTION_SIZE 4096

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
/* What a structure must hold at least; fields behind these may be absent. */
#define MIN_MODULE END_OF(struct tgt_bs_module, submit)
#define MIN_OPTION END_OF(struct tgt_bs_option, help)

struct why {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 2, 3))) reject(struct why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, why->size, format, args);
	va_end(args);
	return -1;
}

static bool is_name(const char *name)
{
	size_t len;

	if (!name)
		return false;
	len = strnlen(name, MAX_NAME + 1);
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	}
	return len > 0 && len <= MAX_NAME;
}

static int check_entries(const struct tgt_bs_module *m, struct why *why)
{
	if (!m->open || !m->close)
		return reject(why, "its descriptor has no open or no close function");
	if (!m->geometry && m->kind != TGT_BS_PASSTHROUGH)
		return reject(why, "its descriptor has no geometry function");
	if (!m->submit)
		return reject(why, "its descriptor has no submit function");
	if (m->channel_open && !m->channel_close)
		return reject(why, "its descriptor has channel_open but no channel_close");
	if (m->state && m->state->struct_size >= sizeof(*m->state) && m->state->watch &&
	    (!m->state->taken || !m->state->is_current))
		return reject(why, "its state has watch but no taken or no is_current");
	return 0;
}

static int check_fields(const struct tgt_bs_module *m, struct why *why)
{
	if (m->abi_major != TGT_BS_ABI_MAJOR)
		return reject(why, "its descriptor has ABI %u.%u, this tgtd has %u.%u",
			      m->abi_major, m->abi_minor, TGT_BS_ABI_MAJOR, TGT_BS_ABI_MINOR);
	if (!is_name(m->name))
		return reject(why, "its name is not 1 to %d letters, digits, '-' or '_'", MAX_NAME);
	if (m->kind < TGT_BS_BLOCK || m->kind > TGT_BS_PASSTHROUGH)
		return reject(why, "kind %u is unknown", m->kind);
	if (m->thread_model != TGT_BS_REACTOR && m->thread_model != TGT_BS_WORKER)
		return reject(why, "thread model %u is unknown", m->thread_model);
	if (m->request_size > MAX_REQUEST_SIZE)
		return reject(why, "it wants %u bytes in each request, the limit is %d",
			      m->request_size, MAX_REQUEST_SIZE);
	return check_entries(m, why);
}

static int check_option(const struct tgt_bs_option *rows, uint32_t i, struct why *why)
{
	const struct tgt_bs_option *row = &rows[i];
	struct tgt_bs_value value;
	char error[128];

	if (!is_name(row->name))
		return reject(why, "option %u has no proper name", i);
	if (row->type < TGT_BS_OPT_STRING || row->type > TGT_BS_OPT_FILE)
		return reject(why, "option %s: type %u is unknown", row->name, row->type);
	if (row->max && row->min > row->max)
		return reject(why, "option %s: its minimum is above its maximum", row->name);
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(rows[j].name, row->name) == 0)
			return reject(why, "option %s occurs twice", row->name);
	}
	if (!row->default_value)
		return 0;
	if (option_parse_value(row, row->default_value, &value, error, sizeof(error)))
		return reject(why, "default of option %s", error);
	option_free_value(row, &value);
	return 0;
}

static int take_options(const struct tgt_bs_module *m, struct tgt_bs_option **options,
			struct why *why)
{
	CLEANUP_FREE struct tgt_bs_option *rows = NULL;
	size_t stride;

	if (m->nr_options == 0)
		return 0;
	if (!m->options || m->nr_options > MAX_OPTIONS)
		return reject(why, "its options table is missing or too long");
	stride = m->options->struct_size;
	if (stride < MIN_OPTION || stride > MAX_OPTION_SIZE || stride % sizeof(uint64_t) != 0)
		return reject(why, "its options are rows of %zu bytes, which can't be", stride);
	rows = calloc(m->nr_options, sizeof(*rows));
	if (!rows)
		return reject(why, "out of memory");
	for (uint32_t i = 0; i < m->nr_options; i++) {
		memcpy(&rows[i], (const char *)m->options + i * stride,
		       stride < sizeof(*rows) ? stride : sizeof(*rows));
		if (check_option(rows, i, why))
			return -1;
	}
	*options = rows;
	rows = NULL;
	return 0;
}

int descriptor_take(const struct tgt_bs_module *theirs, struct tgt_bs_module *module,
		    struct tgt_bs_option **options, char *reason, size_t size)
{
	struct why why = {reason, size};
	size_t have = theirs->struct_size;

	*options = NULL;
	memset(module, 0, sizeof(*module));
	if (have < MIN_MODULE)
		return reject(&why, "its descriptor has %zu bytes, too few", have);
	memcpy(module, theirs, have < sizeof(*module) ? have : sizeof(*module));
	if (!module->version)
		module->version = "";
	if (!module->help)
		module->help = "";
	if (check_fields(module, &why) || take_options(module, options, &why))
		return -1;
	module->options = *options;
	return 0;
}
