/* SPDX-License-Identifier: MIT */
/* SECURITY PROTOCOL IN and OUT: where they are, and how READ and WRITE use what was set by them. */
#include "scsi/security.h"

#include "scsi/commands.h"
#include "scsi/tape.h"
#include "scsi/tape_codec.h"

static bool security_available(const struct lu *lu)
{
	return lu->store && store_module(lu->store)->descriptor.kind == TGT_BS_TAPE &&
	       store_can(lu->store, TGT_BS_CAN_ENCRYPT);
}

/* ---- for READ and WRITE ---- */

const struct tgt_bs_codec *tape_codec(const struct scsi_task *t, bool writes)
{
	static const struct tgt_bs_codec compressed = {.struct_size = sizeof(compressed),
						       .flags = TGT_BS_CODEC_COMPRESS};
	bool compress = writes && tape_modes(t->lu)->compress;
	const struct security_set *set = NULL;
	enum security_scope scope;

	if (t->lu->security)
		set = security_set_of(t, &scope);
	if (writes && set && set->encrypt == ENCRYPT_ENCRYPT)
		return &set->write[compress];
	if (!writes && set && set->decrypt >= DECRYPT_DECRYPT)
		return &set->read;
	return compress ? &compressed : NULL;
}

bool tape_codec_refused(struct scsi_task *t)
{
	const struct security_nexus *n;
	enum security_scope scope;

	if (!t->lu->security)
		return false;
	n = security_find(t->lu, t->nexus->id);
	if (!n || !n->locked || security_set_of(t, &scope)->instance == n->locked_instance)
		return false;
	task_sense(t, KEY_DATA_PROTECT, ASC_DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED);
	return true;
}

/* ---- rows ---- */

const struct opcode_row security_rows[] = {
    {
	.opcode = 0xa2,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_EXCLUSIVE_RANGE,
	.usage = {0xa2, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff},
	.prepare = security_prepare_in,
	.run = security_run_in,
	.available = security_available,
	.name = "SECURITY PROTOCOL IN",
	.clause = "SPC-5 SECURITY PROTOCOL IN",
    },
    {
	.opcode = 0xb5,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0xb5, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff},
	.prepare = security_prepare_out,
	.run = security_run_out,
	.available = security_available,
	.name = "SECURITY PROTOCOL OUT",
	.clause = "SPC-5 SECURITY PROTOCOL OUT",
    },
    {.run = NULL},
};
