/* SPDX-License-Identifier: MIT */
/* What parse.c (lines) and model.c (what they make) share. */
#ifndef TGT_CONFIG_PARSE_H
#define TGT_CONFIG_PARSE_H

#include "config/config.h"
#include "config/source.h"

struct parser {
	struct config *config;
	struct config_sources sources;
	struct config_line *line;
	json_t *target, *lun; /* the blocks that the line stands in, or NULL; borrowed */
	const char *lun_block;
	char skipping[64]; /* the block that is passed over, or "" */
	bool ignore, warned_isns, was_broken;
};

/* Takes the current line, which may be changed. */
void parse_line(struct parser *parser);

/* Something is wrong with the current line. */
void parse_complain(struct parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "FILE:LINE" of the current line. */
json_t *parse_place(const struct parser *parser);

/* model.c: blocks.  The target or unit is the current one from then on, until it ends. */
void parse_open_target(struct parser *parser, const char *name);
void parse_open_unit(struct parser *parser, bool direct, const char *path);
void parse_end_target(struct parser *parser);

#endif
