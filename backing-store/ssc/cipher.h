/* SPDX-License-Identifier: MIT */
/* AES-256-GCM of a record, with what authenticates its place and what it is. */
#ifndef TGT_BACKING_STORE_SSC_CIPHER_H
#define TGT_BACKING_STORE_SSC_CIPHER_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include <tgt/backing-store.h>

#define CIPHER_NONCE 12u
#define CIPHER_CHECK 8u
#define CIPHER_TAG 16u
#define CIPHER_PREFIX_MAX (2u + 2 * TGT_BS_KAD_MAX + CIPHER_NONCE + CIPHER_CHECK)

/* The parts of an encrypted payload. */
struct cipher_parts {
	const uint8_t *ukad, *akad, *nonce, *check, *text, *tag;
	uint32_t ukad_len, akad_len;
	size_t text_len;
};

/* What is authenticated beside the data: where the record stands and what it was. */
struct cipher_record {
	uint64_t number;
	uint32_t length, flags;
};

/* Writes prefix, ciphertext and tag to out, which has CIPHER_PREFIX_MAX + length + CIPHER_TAG
 * bytes; *out_len is how many.  0 or -errno. */
int cipher_encrypt(EVP_CIPHER_CTX *context, const struct tgt_bs_codec *how,
		   const struct cipher_record *record, const uint8_t *text, size_t length,
		   uint8_t *out, size_t *out_len);
/* Finds the parts of a payload.  0; or -EBADMSG. */
int cipher_split(const uint8_t *payload, size_t length, struct cipher_parts *parts);
/* 1: key is the one; 0: it isn't; or -errno.  Constant time. */
int cipher_key_fits(EVP_CIPHER_CTX *context, const uint8_t key[TGT_BS_KEY_SIZE],
		    const struct cipher_parts *parts);
/* Writes text_len bytes to out.  0; -EBADE: not what was written; or another -errno. */
int cipher_decrypt(EVP_CIPHER_CTX *context, const uint8_t key[TGT_BS_KEY_SIZE],
		   const struct cipher_record *record, const struct cipher_parts *parts,
		   uint8_t *out);

#endif
