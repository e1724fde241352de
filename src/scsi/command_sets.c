/* SPDX-License-Identifier: MIT */
/* Which commands each device type has. */
#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "scsi/smc.h"

static const struct opcode_row *const disk_tables[] = {
    spc_rows,
    alua_rows,
    spc_medium_rows,
    rsoc_rows,
    mode_rows,
    mode_sense_rows,
    log_rows,
    reserve_rows,
    pr_rows,
    sbc_rw_rows,
    sbc_provisioning_rows,
    sbc_rows,
    format_rows,
    sanitize_rows,
    timestamp_rows,
    identifying_rows,
    buffer_rows,
    diagnostic_rows,
    NULL,
};
const struct command_set disk_commands = {
    .device_type = 0x00,
    .name = "disk",
    .tables = disk_tables,
};

static const struct opcode_row *const controller_tables[] = {
    spc_rows,        alua_rows, spc_no_medium_rows, rsoc_rows, mode_rows,
    mode_sense_rows, log_rows,  diagnostic_rows,    NULL,
};
const struct command_set controller_commands = {
    .device_type = 0x0c,
    .name = "controller",
    .tables = controller_tables,
};

static const struct opcode_row *const tape_tables[] = {
    spc_rows,          alua_rows,       spc_medium_rows, rsoc_rows,     mode_rows,
    mode_sense_rows,   log_rows,        reserve_rows,    pr_rows,       diagnostic_rows,
    density_rows,      ssc_rw_rows,     ssc_verify_rows, ssc_mark_rows, ssc_space_rows,
    ssc_position_rows, ssc_medium_rows, mam_rows,        security_rows, NULL,
};
const struct command_set tape_commands = {
    .device_type = 0x01,
    .name = "tape",
    .tables = tape_tables,
};

static const struct opcode_row *const changer_tables[] = {
    spc_rows,        alua_rows,     spc_no_medium_rows,
    rsoc_rows,       mode_rows,     mode_sense_lun_rows,
    log_rows,        reserve_rows,  pr_rows,
    smc_rows,        smc_move_rows, smc_tag_rows,
    diagnostic_rows, NULL,
};
const struct command_set changer_commands = {
    .device_type = 0x08,
    .name = "changer",
    .tables = changer_tables,
};

/* SAM-5 4.7.4: INQUIRY, REPORT LUNS and REQUEST SENSE are answered for an incorrect LUN too. */
static const struct opcode_row *const no_lu_tables[] = {spc_no_lu_rows, NULL};
const struct command_set no_lu_commands = {
    .device_type = 0x1f,
    .name = "none",
    .tables = no_lu_tables,
};

void opcode_init(void)
{
	opcode_register(&disk_commands);
	opcode_register(&controller_commands);
	opcode_register(&tape_commands);
	opcode_register(&changer_commands);
	passthrough_init();
	opcode_register(&no_lu_commands);
}
