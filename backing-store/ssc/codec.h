/* SPDX-License-Identifier: MIT */
/*
 * Records compressed (zstd) and encrypted (AES-256-GCM), between what initiators see and what is in
 * the file.  The payload of an encrypted record:
 *
 *   0  bytes of the unauthenticated key-associated data, of the authenticated, one byte each
 *   2  those two, then 12 bytes of nonce, 8 that tell whether a key is the right one,
 *      the ciphertext, and 16 bytes of tag
 */
#ifndef TGT_BACKING_STORE_SSC_CODEC_H
#define TGT_BACKING_STORE_SSC_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <tgt/backing-store.h>

#include "object.h"

/* Beside the errors of files. */
#define CODEC_ENCRYPTED (-ENOKEY)       /* and no key was given */
#define CODEC_WRONG_KEY (-EKEYREJECTED) /* encrypted with another key */
#define CODEC_NOT_ENCRYPTED (-EPERM)    /* but encrypted records only were asked for */
#define CODEC_INTEGRITY (-EBADE)        /* the right key, but not what was written */

struct codec_context;

struct codec {
	uint8_t *buffers[2];
	size_t room[2];
	struct codec_context *context;
};

void codec_free(struct codec *codec);

/*
 * What is to be written for a record; how NULL: as it is.  Sets the object's flags, which it needs
 * number and length for, and *payload, which is data or the codec's until the next call.  0 or
 * -errno.
 */
int codec_encode(struct codec *codec, const struct tgt_bs_codec *how, struct object *object,
		 const struct slice *data, struct slice *payload, struct iovec *piece);

/* Reads the record at offset into the slice, as much as there is room for.  0; -EBADMSG; one of
 * CODEC_…; or another -errno. */
int codec_read(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
	       const struct object *object, const struct slice *into);

/* Whether the record at offset could be decrypted, if it is to be.  As codec_read(). */
int codec_check(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
		const struct object *object);

/* Key-associated data of the encrypted record at offset, and whether the key fits (flags of
 * record). 0 or -errno. */
int codec_look(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
	       const struct object *object, struct tgt_bs_tape_record *record);

#endif
