/* SPDX-License-Identifier: MIT */
#include "cipher.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "bytes.h"

#define AAD_OF_RECORD 16u
/* The first bit of a nonce: 0 for the record, 1 for what tells whether a key is the right one, so
 * that none is used twice with a key. */
#define NONCE_OF_CHECK 0x80

static int begin(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce, int encrypts)
{
	return EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, encrypts) == 1
		   ? 0
		   : -EIO;
}

static int authenticate(EVP_CIPHER_CTX *context, const void *data, size_t len)
{
	int done;

	return !len || EVP_CipherUpdate(context, NULL, &done, data, (int)len) == 1 ? 0 : -EIO;
}

/* A tag over nothing but the fact that it is one; truncated. */
static int make_check(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
		      uint8_t check[CIPHER_CHECK])
{
	static const char what[] = "tgt-tape key check";
	uint8_t other[CIPHER_NONCE], tag[CIPHER_TAG];
	int done, err;

	memcpy(other, nonce, CIPHER_NONCE);
	other[0] |= NONCE_OF_CHECK;
	err = begin(context, key, other, 1);
	if (!err)
		err = authenticate(context, what, sizeof(what) - 1);
	if (!err && (EVP_CipherFinal_ex(context, tag, &done) != 1 ||
		     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, CIPHER_TAG, tag) != 1))
		err = -EIO;
	EVP_CIPHER_CTX_reset(context); /* the key goes with it */
	if (!err)
		memcpy(check, tag, CIPHER_CHECK);
	return err;
}

static int authenticate_record(EVP_CIPHER_CTX *context, const struct cipher_record *record,
			       const uint8_t *akad, uint32_t akad_len)
{
	uint8_t aad[AAD_OF_RECORD];
	int err;

	put64(aad, record->number);
	put32(aad + 8, record->length);
	put32(aad + 12, record->flags);
	err = authenticate(context, aad, sizeof(aad));
	return err ? err : authenticate(context, akad, akad_len);
}

static int encrypt_text(EVP_CIPHER_CTX *context, const struct tgt_bs_codec *how,
			const struct cipher_record *record, const uint8_t *nonce,
			const uint8_t *text, size_t length, uint8_t *out)
{
	int done, err = begin(context, how->key, nonce, 1);

	if (!err)
		err = authenticate_record(context, record, how->akad, how->akad_len);
	if (!err &&
	    (EVP_CipherUpdate(context, out, &done, text, (int)length) != 1 ||
	     EVP_CipherFinal_ex(context, out + length, &done) != 1 ||
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, CIPHER_TAG, out + length) != 1))
		err = -EIO;
	EVP_CIPHER_CTX_reset(context);
	return err;
}

int cipher_encrypt(EVP_CIPHER_CTX *context, const struct tgt_bs_codec *how,
		   const struct cipher_record *record, const uint8_t *text, size_t length,
		   uint8_t *out, size_t *out_len)
{
	uint8_t *at = out, *nonce;
	int err;

	if (how->ukad_len > TGT_BS_KAD_MAX || how->akad_len > TGT_BS_KAD_MAX)
		return -EINVAL;
	*at++ = (uint8_t)how->ukad_len;
	*at++ = (uint8_t)how->akad_len;
	memcpy(at, how->ukad, how->ukad_len);
	at += how->ukad_len;
	memcpy(at, how->akad, how->akad_len);
	at += how->akad_len;
	nonce = at;
	if (RAND_bytes(nonce, CIPHER_NONCE) != 1)
		return -EIO;
	nonce[0] &= (uint8_t)~NONCE_OF_CHECK;
	at += CIPHER_NONCE;
	err = make_check(context, how->key, nonce, at);
	at += CIPHER_CHECK;
	if (!err)
		err = encrypt_text(context, how, record, nonce, text, length, at);
	*out_len = (size_t)(at - out) + length + CIPHER_TAG;
	return err;
}

int cipher_split(const uint8_t *payload, size_t length, struct cipher_parts *parts)
{
	size_t fixed = 2 + CIPHER_NONCE + CIPHER_CHECK + CIPHER_TAG;

	if (length < fixed || payload[0] > TGT_BS_KAD_MAX || payload[1] > TGT_BS_KAD_MAX ||
	    length - fixed < (size_t)payload[0] + payload[1])
		return -EBADMSG;
	parts->ukad_len = payload[0];
	parts->akad_len = payload[1];
	parts->text_len = length - fixed - parts->ukad_len - parts->akad_len;
	parts->ukad = payload + 2;
	parts->akad = parts->ukad + parts->ukad_len;
	parts->nonce = parts->akad + parts->akad_len;
	parts->check = parts->nonce + CIPHER_NONCE;
	parts->text = parts->check + CIPHER_CHECK;
	parts->tag = parts->text + parts->text_len;
	return 0;
}

int cipher_key_fits(EVP_CIPHER_CTX *context, const uint8_t key[TGT_BS_KEY_SIZE],
		    const struct cipher_parts *parts)
{
	uint8_t check[CIPHER_CHECK];
	int err = make_check(context, key, parts->nonce, check);

	return err ? err : CRYPTO_memcmp(check, parts->check, CIPHER_CHECK) == 0;
}

int cipher_decrypt(EVP_CIPHER_CTX *context, const uint8_t key[TGT_BS_KEY_SIZE],
		   const struct cipher_record *record, const struct cipher_parts *parts,
		   uint8_t *out)
{
	int done, err = begin(context, key, parts->nonce, 0);

	if (!err)
		err = authenticate_record(context, record, parts->akad, parts->akad_len);
	if (!err && EVP_CipherUpdate(context, out, &done, parts->text, (int)parts->text_len) != 1)
		err = -EIO;
	if (!err && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, CIPHER_TAG,
					(void *)(uintptr_t)parts->tag) != 1)
		err = -EIO;
	if (!err && EVP_CipherFinal_ex(context, out + parts->text_len, &done) != 1)
		err = -EBADE;
	EVP_CIPHER_CTX_reset(context);
	return err;
}
