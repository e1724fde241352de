/* SPDX-License-Identifier: MIT */
/*
 * What the command files offer each other and the core.  Tables end with a row whose run is NULL.
 */
#ifndef TGT_SCSI_COMMANDS_H
#define TGT_SCSI_COMMANDS_H

#include "scsi/lu.h"
#include "scsi/nexus.h"
#include "scsi/opcode.h"
#include "scsi/target.h"

/* In byte 1 of a medium changer's CDBs, where it means nothing: Linux's ch still puts the LUN there
 * (SCSI-2 7.2.2). */
#define OBSOLETE_LUN 0xe0

/* spc.c: INQUIRY, REPORT LUNS, REQUEST SENSE … for every device type, TEST UNIT READY for those
 * with a medium and for those without, and what a LUN without logical unit answers */
extern const struct opcode_row spc_rows[];
extern const struct opcode_row spc_medium_rows[];
extern const struct opcode_row spc_no_medium_rows[];
extern const struct opcode_row spc_no_lu_rows[];
/* alua_commands.c: REPORT and SET TARGET PORT GROUPS */
extern const struct opcode_row alua_rows[];
/* rsoc.c: REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS */
extern const struct opcode_row rsoc_rows[];
/* mode.c: MODE SENSE/SELECT(6/10); log.c: LOG SENSE, LOG SELECT */
extern const struct opcode_row mode_rows[];
extern const struct opcode_row mode_sense_rows[];
/* The same, which may have OBSOLETE_LUN. */
extern const struct opcode_row mode_sense_lun_rows[];
extern const struct opcode_row log_rows[];
/* reserve.c: RESERVE/RELEASE(6/10); pr.c: PERSISTENT RESERVE IN/OUT */
extern const struct opcode_row reserve_rows[];
extern const struct opcode_row pr_rows[];
/* sbc_rw.c: READ, WRITE, VERIFY …; sbc_prov.c: UNMAP, WRITE SAME, GET LBA STATUS; sbc.c: the rest
 */
extern const struct opcode_row sbc_rw_rows[];
extern const struct opcode_row sbc_provisioning_rows[];
extern const struct opcode_row sbc_rows[];
/* sbc_format.c: FORMAT UNIT; sanitize.c: SANITIZE */
extern const struct opcode_row format_rows[];
extern const struct opcode_row sanitize_rows[];
/* buffer.c: READ and WRITE BUFFER; diagnostic.c: SEND DIAGNOSTIC, RECEIVE DIAGNOSTIC RESULTS */
extern const struct opcode_row buffer_rows[];
extern const struct opcode_row diagnostic_rows[];
/* timestamp.c: REPORT and SET TIMESTAMP; identifying.c: … IDENTIFYING INFORMATION */
extern const struct opcode_row timestamp_rows[];
extern const struct opcode_row identifying_rows[];
/* density.c: REPORT DENSITY SUPPORT */
extern const struct opcode_row density_rows[];
/* tapes: ssc_rw.c: READ, READ REVERSE, WRITE; ssc_verify.c: VERIFY; ssc_mark.c: WRITE FILEMARKS,
 * ERASE, ALLOW OVERWRITE; ssc_space.c: REWIND, SPACE, LOCATE; ssc_position.c: READ POSITION, READ
 * BLOCK LIMITS; ssc_medium.c: LOAD UNLOAD, FORMAT MEDIUM, SET CAPACITY */
extern const struct opcode_row ssc_rw_rows[];
extern const struct opcode_row ssc_verify_rows[];
extern const struct opcode_row ssc_mark_rows[];
extern const struct opcode_row ssc_space_rows[];
extern const struct opcode_row ssc_position_rows[];
extern const struct opcode_row ssc_medium_rows[];
/* mam_commands.c: READ and WRITE ATTRIBUTE */
extern const struct opcode_row mam_rows[];
/* security.c: SECURITY PROTOCOL IN and OUT */
extern const struct opcode_row security_rows[];

/* ---- mode_pages.c: mode pages of an LU (SPC-5 7.5, SBC-4 6.5) ---- */
/* Sets lu->mode with the defaults of its device type and what was saved; blocks.  -errno. */
int mode_state_create(struct lu *lu);
void mode_state_free(struct lu *lu);
/* Bits that others ask for. */
bool mode_d_sense(const struct lu *lu); /* Control: descriptor format sense data */
bool mode_swp(const struct lu *lu);     /* Control: software write protect */
bool mode_wce(const struct lu *lu); /* Caching: write cache enabled; without it writes are FUA */
bool mode_tas(const struct lu *lu); /* Control: TASK ABORTED status */
/* Sets D_SENSE by default, and the current one unless an initiator has saved the page (tgtadm
 * sense_format); true when that changed.  Inside an exclusive operation. */
bool mode_set_d_sense(struct lu *lu, bool descriptor);
/* A logical unit reset: current values are the saved ones again (SPC-5 6.12).  Inside an exclusive
 * operation. */
void mode_reset(struct lu *lu);
/* The LU has another store, whose cache may be volatile or not: WCE follows; true when it changed.
 * Inside an exclusive operation. */
bool mode_refresh_cache(struct lu *lu);
/* Whether there is a Caching page; sets its WCE by default, and the current one unless an initiator
 * has saved the page (tgtadm write_cache), true when that changed.  Where no cache is volatile
 * there is none to switch on.  Inside an exclusive operation. */
bool mode_has_cache(const struct lu *lu);
bool mode_set_wce(struct lu *lu, bool on);
/* tgtadm mode_page=page:subpage:length:byte…; 0 or -EINVAL.  Inside an exclusive operation. */
int mode_set_page(struct lu *lu, const char *text);

/* ---- pr.c: persistent reservations (SPC-5 5.14) ---- */
int pr_state_create(struct lu *lu); /* sets lu->pr, loads what APTPL kept; -errno */
void pr_state_free(struct lu *lu);
/* True when t may not run because of another nexus's persistent reservation, by its row. */
bool pr_conflicts(const struct scsi_task *t);
/* ---- reserve.c: RESERVE/RELEASE (SPC-2 5.5.1, 7.21) ---- */
/* False: other hosts may have the medium, and wouldn't know. */
bool reserve_is_offered(const struct lu *lu);
bool reserve_conflicts(const struct scsi_task *t);
/* The nexus is gone, or was reset: its reservation goes.  Any reactor; asynchronous. */
void reserve_release_nexus(struct lu *lu, uint64_t nexus_id);
/* A logical unit reset, inside an exclusive operation on all of the LU. */
void reserve_reset(struct lu *lu);

/* For what a bit of the CDB makes a command that conflicts (PR_SPECIAL): sbc.c */
bool sbc_conflicts_as_write(struct scsi_task *t);

/* ---- medium_state.c: what FORMAT UNIT and SANITIZE do to an LU's readiness ---- */
/* Fills in key, code and progress when an operation goes on or one that failed has left the medium
 * unusable; false: neither. */
bool medium_sense(const struct lu *lu, struct sense *sense);
/* Finds out whether an operation was interrupted when the medium was last there.  It blocks;
 * control reactor, for a new LU or inside an exclusive operation. */
void medium_state_load(struct lu *lu);

/* ---- for passthrough: spc.c, rsoc.c ---- */
/* REQUEST SENSE, from what the core knows. */
void spc_request_sense(struct scsi_task *t);
/* REPORT SUPPORTED OPERATION CODES, by the rows of the LU. */
void rsoc_report(struct scsi_task *t);
/* The command descriptors (SPC-5 6.34.2) of the rows that are wanted (NULL: of all); the length. */
size_t rsoc_put_rows(uint8_t *at, const struct lu *lu, bool timeouts,
		     bool (*wanted)(const struct opcode_row *row));

/* ---- vpd.c ---- */
/* The designators of the target and its ports that a nexus sees (SPC-5 7.7.6), into at; the length
 */
size_t vpd_put_port_designators(uint8_t *at, const struct scsi_task *t);
#define VPD_SCSI_PORTS_MAX (TARGET_PORTS_MAX * 256u)
/* What follows the header of VPD page SCSI Ports (SPC-5 7.7.14), into VPD_SCSI_PORTS_MAX zeroed
 * bytes; the length */
size_t vpd_put_scsi_ports(uint8_t *at, const struct scsi_task *t);
/* INQUIRY with EVPD (SPC-5 7.7, SBC-4 6.6): ends the task. */
void vpd_inquiry(struct scsi_task *t, uint8_t page, uint16_t allocation_length);
/* Byte 0 of INQUIRY data: peripheral qualifier and device type. */
uint8_t spc_peripheral(const struct scsi_task *t);
/* TPGS, in byte 5 of INQUIRY data: implicit, or implicit and explicit asymmetric access. */
uint8_t spc_tpgs(const struct lu *lu);

/* ---- limits that VPD B0 reports and the commands enforce ---- */
/* Sets io_alignment, max_transfer_blocks and volatile_cache from the store's geometry.  lu_create()
 * calls it once block_size is known, for disks. */
void sbc_set_limits(struct lu *lu);
/* Largest transfer in blocks: what BUF_MAX_BYTES and the store allow. */
uint32_t lu_max_transfer_blocks(const struct lu *lu);
#define SBC_MAX_CAW_BLOCKS 255u /* COMPARE AND WRITE */
#define SBC_MAX_UNMAP_DESCRIPTORS 256u
uint32_t lu_max_unmap_blocks(const struct lu *lu);
/* WRITE SAME; a NUMBER OF BLOCKS of 0 means all up to the end (WSNZ = 0). */
uint64_t lu_max_write_same_blocks(const struct lu *lu);
/* Other hosts may write to its medium. */
bool lu_is_shared(const struct lu *lu);
/* The store compares and writes these bytes in one piece. */
bool lu_store_compares(const struct lu *lu, uint64_t offset, uint64_t length);
/* COMPARE AND WRITE: SBC_MAX_CAW_BLOCKS, less when the buffer doesn't hold twice as many, or the
 * store of a shared medium doesn't do so many in one piece; 0: the command isn't offered. */
uint32_t lu_max_caw_blocks(const struct lu *lu);

#endif
