/* SPDX-License-Identifier: MIT */
/* SECURITY PROTOCOL IN (SPC-5), with the Tape Data Encryption pages of SSC-5. */
#include <string.h>
#include <sys/random.h>

#include "scsi/commands.h"
#include "scsi/security.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define INC_512 0x80  /* byte 4: lengths count 512 bytes */
#define REPLY_MAX 512 /* no page is longer */

#define KAD_HEADER 4u
#define RANDOM_LENGTH 32u

/* Page number and pages, each (SSC-5 Tape Data Encryption In/Out Support pages). */
static const uint16_t in_pages[] = {PAGE_IN_SUPPORT,  PAGE_OUT_SUPPORT, PAGE_CAPABILITIES,
				    PAGE_KEY_FORMATS, PAGE_MANAGEMENT,  PAGE_STATUS,
				    PAGE_NEXT_BLOCK,  PAGE_RANDOM};
static const uint16_t out_pages[] = {PAGE_SET};

static bool is_encryption(const struct scsi_task *t)
{
	return t->cdb[1] == PROTOCOL_TAPE_ENCRYPTION;
}

static uint16_t page_of(const struct scsi_task *t)
{
	return get_be16(t->cdb + 2);
}

/* The allocation length that the CDB means. */
static uint32_t allocation(const struct scsi_task *t)
{
	uint32_t length = get_be32(t->cdb + 6);

	if (!(t->cdb[4] & INC_512))
		return length;
	return length > UINT32_MAX / 512 ? UINT32_MAX : length * 512;
}

/* With INC_512 there are pad bytes up to a multiple of 512 (SPC-5 SECURITY PROTOCOL IN). */
static void reply(struct scsi_task *t, uint8_t *data, size_t len)
{
	if (t->cdb[4] & INC_512)
		len = (len + 511) / 512 * 512;
	task_reply(t, data, len, allocation(t));
}

/* A page: its code and what follows the header. */
static void reply_page(struct scsi_task *t, uint8_t *data, size_t len)
{
	put_be16(data, page_of(t));
	put_be16(data + 2, (uint16_t)(len - 4));
	reply(t, data, len);
}

/* ---- what is there ---- */

static size_t put_pages(uint8_t *at, const uint16_t *pages, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put_be16(at + (size_t)4 + (size_t)2 * i, pages[i]);
	return 4 + (size_t)2 * count;
}

/* Data Encryption Capabilities page: one algorithm. */
static size_t put_capabilities(const struct lu *lu, uint8_t *data)
{
	uint8_t *a = data + 20;

	data[4] = 0x05; /* EXTDECC, CFG_P: no external control, nothing prevents configuration */
	a[0] = SECURITY_ALGORITHM;
	put_be16(a + 2, 20);
	/* AVFMV, MAC_C, DELB_C; decrypts and encrypts, in software */
	a[4] = (uint8_t)((lu->medium ? 0x80 : 0) | 0x20 | 0x10 | 1 << 2 | 1);
	/* AVFCLP: valid at any position, NONCE_C: the device makes the nonces, UKAD and AKAD may be
	 * shorter than their maximum */
	a[5] = (uint8_t)((lu->medium ? 0x80 : 0) | 0x10);
	put_be16(a + 6, TGT_BS_KAD_MAX);
	put_be16(a + 8, TGT_BS_KAD_MAX);
	put_be16(a + 10, TGT_BS_KEY_SIZE);
	/* DKAD_C: may come with a key for decryption, EEMC_C: no external mode, RDMC_C: none */
	a[12] = 3 << 6 | 1 << 4;
	put_be32(a + 20, 0x00010014); /* AES-256-GCM, 128 bits of ICV */
	return 44;
}

/* Data Encryption Management Capabilities page. */
static size_t put_management(uint8_t *data)
{
	data[4] = 0x01; /* LOCK_C */
	data[5] = 0x07; /* CKOD_C, CKORP_C, CKORL_C */
	data[7] = 0x07; /* AITN_C, LOCAL_C, PUBLIC_C */
	return 16;
}

/* ---- how it stands ---- */

static size_t put_kad(uint8_t *at, uint8_t type, uint8_t authenticated, const uint8_t *kad,
		      uint32_t len)
{
	if (!len)
		return 0;
	if (len > TGT_BS_KAD_MAX)
		len = TGT_BS_KAD_MAX;
	at[0] = type;
	at[1] = authenticated;
	put_be16(at + 2, (uint16_t)len);
	memcpy(at + KAD_HEADER, kad, len);
	return KAD_HEADER + len;
}

#define AUTHENTICATED_NOT 1 /* not covered by the authentication */
#define AUTHENTICATED_YES 3 /* covered, and it was checked, or will be written so */

/* Data Encryption Status page. */
static size_t put_status(const struct scsi_task *t, uint8_t *data)
{
	enum security_scope scope;
	const struct security_set *set = security_set_of(t, &scope);
	const struct tgt_bs_codec *codec = set->encrypt ? &set->write[0] : &set->read;
	size_t len = 24;

	data[4] = (uint8_t)(security_nexus_scope(t) << 5 | scope);
	data[5] = set->encrypt;
	data[6] = set->decrypt;
	if (set->encrypt || set->decrypt)
		data[7] = SECURITY_ALGORITHM;
	put_be32(data + 8, set->instance);
	data[12] = (uint8_t)(set->ceem << 1);
	len += put_kad(data + len, KAD_UNAUTHENTICATED, 0, codec->ukad, codec->ukad_len);
	len += put_kad(data + len, KAD_AUTHENTICATED, 0, codec->akad, codec->akad_len);
	return len;
}

/* COMPRESSION STATUS and ENCRYPTION STATUS of the Next Block Encryption Status page. */
static uint8_t next_status(const struct tgt_bs_tape_record *r)
{
	uint8_t compression = r->flags & TGT_BS_RECORD_COMPRESSED ? 4 : 3;
	uint8_t encryption = 3;

	if (r->flags & (TGT_BS_RECORD_FILEMARK | TGT_BS_RECORD_END_OF_DATA))
		return 2 << 4 | 2; /* it is no logical block */
	if (r->flags & TGT_BS_RECORD_ENCRYPTED)
		encryption = r->flags & TGT_BS_RECORD_KEY_FITS ? 5 : 6;
	return (uint8_t)(compression << 4 | encryption);
}

static void next_known(struct scsi_task *t)
{
	const struct tgt_bs_tape_record *r = t->scratch.iov[0].iov_base;
	uint8_t data[REPLY_MAX] = {0};
	size_t len = 16;

	if (t->store.bs.status != TGT_BS_OK) {
		task_store_status(t, &t->store.bs);
		return;
	}
	put_be64(data + 4, t->store.bs.pos_object);
	data[12] = next_status(r);
	if (r->flags & TGT_BS_RECORD_ENCRYPTED) {
		bool fits = r->flags & TGT_BS_RECORD_KEY_FITS;

		data[13] = SECURITY_ALGORITHM;
		len += put_kad(data + len, KAD_UNAUTHENTICATED, AUTHENTICATED_NOT, r->ukad,
			       r->ukad_len);
		len += put_kad(data + len, KAD_AUTHENTICATED, fits ? AUTHENTICATED_YES : 2, r->akad,
			       r->akad_len);
	}
	reply_page(t, data, len);
}

static void ask_next(struct scsi_task *t)
{
	struct tgt_bs_tape_record *r = t->scratch.iov[0].iov_base;
	enum security_scope scope;

	memset(r, 0, sizeof(*r));
	r->struct_size = sizeof(*r);
	store_request_init(&t->store, TGT_BS_TAPE_NEXT, t->module_data, NULL);
	t->store.bs.record = r;
	t->store.bs.codec = &security_set_of(t, &scope)->read;
	task_submit_prepared(t, next_known);
}

static void reply_next(struct scsi_task *t)
{
	if (!t->lu->medium)
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	else
		task_get_scratch(t, sizeof(struct tgt_bs_tape_record), ask_next);
}

/* ---- the protocols ---- */

static void run_encryption(struct scsi_task *t)
{
	uint8_t data[REPLY_MAX] = {0};
	size_t len;

	switch (page_of(t)) {
	case PAGE_IN_SUPPORT:
		len = put_pages(data, in_pages, ARRAY_SIZE(in_pages));
		break;
	case PAGE_OUT_SUPPORT:
		len = put_pages(data, out_pages, ARRAY_SIZE(out_pages));
		break;
	case PAGE_CAPABILITIES:
		len = put_capabilities(t->lu, data);
		break;
	case PAGE_KEY_FORMATS:
		len = 5; /* 00h: in plain text */
		break;
	case PAGE_MANAGEMENT:
		len = put_management(data);
		break;
	case PAGE_STATUS:
		len = put_status(t, data);
		break;
	case PAGE_NEXT_BLOCK:
		reply_next(t);
		return;
	case PAGE_RANDOM:
		len = 4 + RANDOM_LENGTH;
		if (getrandom(data + 4, RANDOM_LENGTH, GRND_NONBLOCK) != RANDOM_LENGTH) {
			task_status(t, STATUS_BUSY);
			return;
		}
		break;
	default:
		task_invalid_cdb(t, 2, 7);
		return;
	}
	reply_page(t, data, len);
}

/* Security protocol 00h (SPC-5 Security protocol information). */
static void run_information(struct scsi_task *t)
{
	static const uint8_t protocols[] = {PROTOCOL_INFORMATION, PROTOCOL_TAPE_ENCRYPTION};
	uint8_t data[REPLY_MAX] = {0};

	switch (page_of(t)) {
	case 0x0000:
		put_be16(data + 6, sizeof(protocols));
		memcpy(data + 8, protocols, sizeof(protocols));
		reply(t, data, 8 + sizeof(protocols));
		break;
	case 0x0001: /* there is no certificate */
		reply(t, data, 4);
		break;
	default:
		task_invalid_cdb(t, 2, 7);
		break;
	}
}

/* What comes next is a matter of the position, as READ is: they wait for each other. */
bool security_prepare_in(struct scsi_task *t)
{
	t->lba = 0;
	t->blocks = 1;
	return true;
}

void security_run_in(struct scsi_task *t)
{
	if (is_encryption(t)) {
		security_register(t);
		run_encryption(t);
	} else if (t->cdb[1] == PROTOCOL_INFORMATION) {
		run_information(t);
	} else {
		task_invalid_cdb(t, 1, 7);
	}
}
