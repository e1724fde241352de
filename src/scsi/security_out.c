/* SPDX-License-Identifier: MIT */
/* SECURITY PROTOCOL OUT (SPC-5), with the Set Data Encryption page of SSC-5. */
#include <string.h>

#include "scsi/commands.h"
#include "scsi/security.h"
#include "util/bytes.h"
#include "util/log.h"

#define INC_512 0x80
#define FIXED 20u /* bytes of the page before the key */
#define KAD_HEADER 4u
#define LIST_MAX 1024u /* more than all that may be in it, and its padding */

bool security_prepare_out(struct scsi_task *t)
{
	uint64_t length = get_be32(t->cdb + 6);

	if (t->cdb[1] != PROTOCOL_TAPE_ENCRYPTION) {
		task_invalid_cdb(t, 1, 7);
		return false;
	}
	if (get_be16(t->cdb + 2) != PAGE_SET) {
		task_invalid_cdb(t, 2, 7);
		return false;
	}
	if (t->cdb[4] & INC_512)
		length *= 512;
	if (length > LIST_MAX) {
		task_invalid_cdb(t, 6, 7);
		return false;
	}
	t->transfer_length = (uint32_t)length;
	return true;
}

/* What the page says. */
struct page {
	const uint8_t *at;
	size_t len; /* of the page, with its header */
	enum security_scope scope;
	bool lock;
	const uint8_t *key;
	const uint8_t *ukad, *akad;
	uint32_t ukad_len, akad_len;
};

/* False: the task has ended. */
static bool bad(struct scsi_task *t, size_t byte, int bit)
{
	task_invalid_parameter(t, (unsigned)byte, bit);
	return false;
}

static bool is_holder(const struct scsi_task *t)
{
	struct pr_table *table = t->lu->pr->table;
	const struct pr_registration *r = table ? pr_find_nexus(table, t->nexus) : NULL;

	return r && pr_is_holder(table, r);
}

/* Byte 5: CEEM, RDMC, SDK, CKOD, CKORP, CKORL. */
static bool check_controls(struct scsi_task *t, const struct page *p)
{
	uint8_t b = p->at[5];

	if (b >> 6 > 1) /* no external mode that could be checked */
		return bad(t, 5, 7);
	if (b >> 4 & 0x03) /* no raw decryption to be controlled */
		return bad(t, 5, 5);
	if (b & 0x08) /* no supplemental decryption keys */
		return bad(t, 5, 3);
	if (b & 0x04 && !t->lu->medium) /* SSC-5: CKOD without a medium */
		return bad(t, 5, 2);
	if (b & 0x03 && !is_holder(t)) /* SSC-5: CKORP, CKORL without a reservation */
		return bad(t, 5, b & 0x02 ? 1 : 0);
	return true;
}

static bool check_modes(struct scsi_task *t, const struct page *p)
{
	uint8_t encrypt = p->at[6], decrypt = p->at[7];
	uint16_t key = get_be16(p->at + 18);
	bool wants_key = encrypt == ENCRYPT_ENCRYPT || decrypt >= DECRYPT_DECRYPT;

	if (encrypt != ENCRYPT_DISABLE && encrypt != ENCRYPT_ENCRYPT)
		return bad(t, 6, 7);
	if (decrypt > DECRYPT_MIXED || decrypt == DECRYPT_RAW)
		return bad(t, 7, 7);
	if (!wants_key)
		return key ? bad(t, 18, 7) : true;
	if (p->at[8] != SECURITY_ALGORITHM)
		return bad(t, 8, 7);
	if (p->at[9]) /* LOGICAL BLOCK ENCRYPTION KEY FORMAT: plain text alone */
		return bad(t, 9, 7);
	return key == TGT_BS_KEY_SIZE ? true : bad(t, 18, 7);
}

/* The list of key-associated data: ascending by type, each once. */
static bool take_kads(struct scsi_task *t, struct page *p, size_t at)
{
	int previous = -1;

	while (at < p->len) {
		const uint8_t *d = p->at + at;
		uint16_t len;

		if (p->len - at < KAD_HEADER)
			return bad(t, 2, 7);
		len = get_be16(d + 2);
		if (d[0] <= previous || d[0] > KAD_AUTHENTICATED)
			return bad(t, at, 7);
		if (len > TGT_BS_KAD_MAX || len > p->len - at - KAD_HEADER)
			return bad(t, at + 2, 7);
		previous = d[0];
		if (d[0] == KAD_UNAUTHENTICATED) {
			p->ukad = d + KAD_HEADER;
			p->ukad_len = len;
		} else {
			p->akad = d + KAD_HEADER;
			p->akad_len = len;
		}
		at += KAD_HEADER + len;
	}
	return true;
}

static bool check_page(struct scsi_task *t, struct page *p)
{
	uint16_t key;

	p->scope = p->at[4] >> 5;
	p->lock = p->at[4] & 0x01;
	if (p->scope > SCOPE_ALL)
		return bad(t, 4, 7);
	if (p->scope == SCOPE_PUBLIC) /* SSC-5: what else there is says nothing */
		return true;
	if (!check_controls(t, p) || !check_modes(t, p))
		return false;
	key = get_be16(p->at + 18);
	if (key > p->len - FIXED)
		return bad(t, 18, 7);
	p->key = p->at + FIXED;
	return take_kads(t, p, FIXED + key);
}

static void fill_codec(struct tgt_bs_codec *codec, const struct page *p, uint32_t flags)
{
	codec->struct_size = sizeof(*codec);
	codec->flags = flags;
	memcpy(codec->key, p->key, TGT_BS_KEY_SIZE);
	codec->ukad_len = p->ukad_len;
	codec->akad_len = p->akad_len;
	if (p->ukad_len)
		memcpy(codec->ukad, p->ukad, p->ukad_len);
	if (p->akad_len)
		memcpy(codec->akad, p->akad, p->akad_len);
}

static void fill_set(struct scsi_task *t, const struct page *p, struct security_set *set)
{
	uint32_t reads = TGT_BS_CODEC_DECRYPT;

	set->encrypt = p->at[6];
	set->decrypt = p->at[7];
	set->ceem = p->at[5] >> 6;
	set->ckod = p->at[5] & 0x04;
	set->ckorp = p->at[5] & 0x02;
	set->ckorl = p->at[5] & 0x01;
	pr_port_of_nexus(&set->port, t->nexus);
	if (set->decrypt == DECRYPT_MIXED)
		reads |= TGT_BS_CODEC_MIXED;
	if (set->encrypt == ENCRYPT_ENCRYPT) {
		fill_codec(&set->write[0], p, TGT_BS_CODEC_ENCRYPT);
		fill_codec(&set->write[1], p, TGT_BS_CODEC_ENCRYPT | TGT_BS_CODEC_COMPRESS);
	}
	if (set->decrypt >= DECRYPT_DECRYPT)
		fill_codec(&set->read, p, reads);
}

static void set_encryption(struct scsi_task *t, struct page *p)
{
	struct security_set set;

	memset(&set, 0, sizeof(set));
	if (!check_page(t, p))
		return;
	if (p->scope != SCOPE_PUBLIC)
		fill_set(t, p, &set);
	security_register(t);
	if (security_change(t, p->scope, p->lock, &set)) {
		task_good(t);
	} else {
		log_warning("%s: no room for the data encryption parameters of another I_T nexus",
			    lu_name(t->lu));
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INSUFFICIENT_RESOURCES);
	}
	explicit_bzero(&set, sizeof(set));
}

/* The buffer that the transport has filled holds a key: it isn't given back with that in it. */
static void wipe_data_out(struct scsi_task *t)
{
	for (int i = 0; i < (int)t->data.iovcnt; i++)
		explicit_bzero(t->data.iov[i].iov_base, t->data.iov[i].iov_len);
}

void security_run_out(struct scsi_task *t)
{
	uint8_t list[LIST_MAX];
	struct page p = {.at = list};
	size_t len = databuf_read(&t->data, 0, list, t->transfer_length);

	wipe_data_out(t);
	if (!t->transfer_length) {
		task_good(t); /* SPC-5: no data is no error */
	} else if (len < t->transfer_length || len < 4) {
		task_parameter_list_length_error(t);
	} else if (get_be16(list) != PAGE_SET) {
		task_invalid_parameter(t, 0, 7);
	} else {
		p.len = 4 + (size_t)get_be16(list + 2);
		/* padding may follow (INC_512) */
		if (p.len < FIXED || p.len > len || (p.len < len && !(t->cdb[4] & INC_512)))
			task_parameter_list_length_error(t);
		else
			set_encryption(t, &p);
	}
	explicit_bzero(list, sizeof(list));
}
