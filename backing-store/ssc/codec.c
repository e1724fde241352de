/* SPDX-License-Identifier: MIT */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cipher.h"

#define LEVEL 1 /* the fastest that zstd calls a level; a tape is streamed to */

struct codec_context {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	EVP_CIPHER_CTX *cipher;
};

void codec_free(struct codec *codec)
{
	for (unsigned i = 0; i < 2; i++) {
		free(codec->buffers[i]);
		codec->buffers[i] = NULL;
		codec->room[i] = 0;
	}
	if (!codec->context)
		return;
	ZSTD_freeCCtx(codec->context->compress);
	ZSTD_freeDCtx(codec->context->decompress);
	EVP_CIPHER_CTX_free(codec->context->cipher);
	free(codec->context);
	codec->context = NULL;
}

static struct codec_context *context_of(struct codec *codec)
{
	struct codec_context *c = codec->context;

	if (c)
		return c;
	codec->context = c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->compress = ZSTD_createCCtx();
	c->decompress = ZSTD_createDCtx();
	c->cipher = EVP_CIPHER_CTX_new();
	if (c->compress && c->decompress && c->cipher)
		return c;
	codec_free(codec);
	return NULL;
}

static uint8_t *buffer(struct codec *codec, unsigned which, size_t need)
{
	uint8_t *bigger;

	if (need <= codec->room[which])
		return codec->buffers[which];
	bigger = malloc(need); /* what is in it need not stay */
	if (!bigger)
		return NULL;
	free(codec->buffers[which]);
	codec->buffers[which] = bigger;
	codec->room[which] = need;
	return bigger;
}

static bool wants(const struct tgt_bs_codec *how, uint32_t flag)
{
	return how && how->flags & flag;
}

/* ---- writing ---- */

/* From buffer 0 to buffer 1, if that makes it smaller. */
static int compress(struct codec *codec, size_t length, struct object *object, size_t *len)
{
	uint8_t *to = buffer(codec, 1, length);
	size_t n;

	*len = length;
	if (!to)
		return -ENOMEM;
	if (length < 2)
		return 0;
	n = ZSTD_compressCCtx(codec->context->compress, to, length - 1, codec->buffers[0], length,
			      LEVEL);
	if (ZSTD_isError(n)) /* it doesn't fit */
		return 0;
	object->flags |= OBJECT_COMPRESSED;
	*len = n;
	return 0;
}

static int encrypt(struct codec *codec, const struct tgt_bs_codec *how, struct object *object,
		   unsigned *from, size_t *len)
{
	uint8_t *out = buffer(codec, !*from, CIPHER_PREFIX_MAX + *len + CIPHER_TAG);
	struct cipher_record record = {object->number, object->length, 0};
	int err;

	if (!out)
		return -ENOMEM;
	object->flags |= OBJECT_ENCRYPTED;
	record.flags = object->flags;
	err = cipher_encrypt(codec->context->cipher, how, &record, codec->buffers[*from], *len, out,
			     len);
	*from = !*from;
	return err;
}

int codec_encode(struct codec *codec, const struct tgt_bs_codec *how, struct object *object,
		 const struct slice *data, struct slice *payload, struct iovec *piece)
{
	size_t len = (size_t)data->length;
	unsigned from = 0;
	int err = 0;

	*payload = *data;
	if (!wants(how, TGT_BS_CODEC_COMPRESS | TGT_BS_CODEC_ENCRYPT))
		return 0;
	if (!context_of(codec) || !buffer(codec, 0, len))
		return -ENOMEM;
	slice_take(data, codec->buffers[0]);
	if (wants(how, TGT_BS_CODEC_COMPRESS))
		err = compress(codec, len, object, &len);
	if (object->flags & OBJECT_COMPRESSED)
		from = 1;
	if (!err && wants(how, TGT_BS_CODEC_ENCRYPT))
		err = encrypt(codec, how, object, &from, &len);
	*piece = (struct iovec){codec->buffers[from], len};
	if (object->flags)
		*payload = (struct slice){piece, 1, 0, len};
	return err;
}

/* ---- reading ---- */

static int decrypt(struct codec *codec, const struct tgt_bs_codec *how, const struct object *object,
		   size_t *len)
{
	const struct cipher_record record = {object->number, object->length, object->flags};
	struct cipher_parts parts;
	int err = cipher_split(codec->buffers[0], *len, &parts);

	if (err)
		return err;
	err = cipher_key_fits(codec->context->cipher, how->key, &parts);
	if (err <= 0)
		return err ? err : CODEC_WRONG_KEY;
	if (!buffer(codec, 1, parts.text_len + CIPHER_TAG))
		return -ENOMEM;
	*len = parts.text_len;
	return cipher_decrypt(codec->context->cipher, how->key, &record, &parts, codec->buffers[1]);
}

static int decompress(struct codec *codec, unsigned from, const struct object *object, size_t len)
{
	uint8_t *to = buffer(codec, !from, object->length);
	size_t n;

	if (!to)
		return -ENOMEM;
	n = ZSTD_decompressDCtx(codec->context->decompress, to, object->length,
				codec->buffers[from], len);
	return ZSTD_isError(n) || n != object->length ? -EBADMSG : 0;
}

static int may_read(const struct tgt_bs_codec *how, const struct object *object)
{
	if (object->flags & OBJECT_ENCRYPTED)
		return wants(how, TGT_BS_CODEC_DECRYPT) ? 0 : CODEC_ENCRYPTED;
	return wants(how, TGT_BS_CODEC_DECRYPT) && !wants(how, TGT_BS_CODEC_MIXED)
		   ? CODEC_NOT_ENCRYPTED
		   : 0;
}

static int read_stored(struct codec *codec, int fd, uint64_t offset, const struct object *object)
{
	struct iovec piece = {buffer(codec, 0, object->stored), object->stored};

	if (!piece.iov_base || !context_of(codec))
		return -ENOMEM;
	return object_read_payload(fd, offset, object,
				   &(struct slice){&piece, 1, 0, object->stored});
}

int codec_check(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
		const struct object *object)
{
	struct cipher_parts parts;
	int err = may_read(how, object);

	if (err || !(object->flags & OBJECT_ENCRYPTED))
		return err;
	err = read_stored(codec, fd, offset, object);
	if (!err)
		err = cipher_split(codec->buffers[0], object->stored, &parts);
	if (err)
		return err;
	err = cipher_key_fits(codec->context->cipher, how->key, &parts);
	return err > 0 ? 0 : err ? err : CODEC_WRONG_KEY;
}

int codec_read(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
	       const struct object *object, const struct slice *into)
{
	size_t len = object->stored;
	unsigned from = 0;
	int err = may_read(how, object);

	if (err)
		return err;
	if (!object->flags)
		return object_read_payload(fd, offset, object, into);
	err = read_stored(codec, fd, offset, object);
	if (!err && object->flags & OBJECT_ENCRYPTED) {
		err = decrypt(codec, how, object, &len);
		from = 1;
	}
	if (!err && object->flags & OBJECT_COMPRESSED) {
		err = decompress(codec, from, object, len);
		from = !from;
	} else if (!err && len != object->length) {
		err = -EBADMSG;
	}
	if (!err)
		slice_fill(into, codec->buffers[from], object->length);
	return err;
}

int codec_look(struct codec *codec, const struct tgt_bs_codec *how, int fd, uint64_t offset,
	       const struct object *object, struct tgt_bs_tape_record *record)
{
	struct cipher_parts parts;
	int err = read_stored(codec, fd, offset, object);

	if (!err)
		err = cipher_split(codec->buffers[0], object->stored, &parts);
	if (err)
		return err;
	record->ukad_len = parts.ukad_len;
	record->akad_len = parts.akad_len;
	memcpy(record->ukad, parts.ukad, parts.ukad_len);
	memcpy(record->akad, parts.akad, parts.akad_len);
	if (!wants(how, TGT_BS_CODEC_DECRYPT))
		return 0;
	err = cipher_key_fits(codec->context->cipher, how->key, &parts);
	if (err > 0)
		record->flags |= TGT_BS_RECORD_KEY_FITS;
	return err < 0 ? err : 0;
}
