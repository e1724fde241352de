/* SPDX-License-Identifier: MIT */
/* What the files of the media changer's commands (SMC-3) share. */
#ifndef TGT_SCSI_SMC_H
#define TGT_SCSI_SMC_H

#include "scsi/changer.h"
#include "scsi/commands.h"
#include "util/bytes.h"

/* ---- smc_status.c ---- */

/* Element status data (SMC-3 READ ELEMENT STATUS). */
struct element_report {
	enum element_type type; /* ELEMENT_ALL: of all types */
	uint16_t start, number; /* at most number elements from address start on */
	bool tags;              /* VOLTAG */
	bool identifiers;       /* DVCID */
	uint8_t action;         /* REQUEST VOLUME ELEMENT ADDRESS: SEND ACTION CODE */
	/* NULL: all; which of them */
	bool (*wanted)(const struct element *element, const void *arg);
	const void *arg;
};

/* Bytes of the data; 0: no element of that type is at start or behind it. */
size_t smc_report_length(const struct changer *changer, const struct element_report *report);
/* Writes smc_report_length() bytes to at. */
void smc_report_put(const struct changer *changer, const struct element_report *report,
		    uint8_t *at);
/* Ends the task with the data, or with INVALID ELEMENT ADDRESS. */
void smc_report(struct scsi_task *t, const struct element_report *report,
		uint32_t allocation_length);

/* ---- smc.c ---- */
extern const struct opcode_row smc_rows[];

/* ---- smc_mode.c ---- */
struct mode_state;
/* The changer's mode pages (SMC-3 7.3). */
void smc_add_mode_pages(struct mode_state *state, const struct changer *changer);
/* There are other elements than before: the pages tell, the initiators are to be told.  Inside an
 * exclusive operation. */
void smc_elements_changed(struct lu *lu);

/* ---- smc_tags.c: SEND VOLUME TAG, REQUEST VOLUME ELEMENT ADDRESS ---- */
extern const struct opcode_row smc_tag_rows[];

/* A search template: '*' stands for any characters, '?' for any one. */
bool smc_tag_matches(const char *pattern, const char *tag);

/* ---- smc_move.c: MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT ---- */
extern const struct opcode_row smc_move_rows[];

#endif
