/* SPDX-License-Identifier: MIT */
/* Objects as they stand in the file: a header that describes itself, then its payload. */
#ifndef TGT_BACKING_STORE_SSC_OBJECT_H
#define TGT_BACKING_STORE_SSC_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "file_io.h"
#include "layout.h"

#define OBJECT_RECORD 0x52435244u    /* "RCRD" */
#define OBJECT_MARK 0x4d41524bu      /* "MARK" */
#define OBJECT_INDEX 0x494e4458u     /* "INDX": where the 512 objects before it are */
#define OBJECT_DIRECTORY 0x494e4444u /* "INDD": where the 512 index blocks before it are */

#define OBJECT_COMPRESSED 1u
#define OBJECT_ENCRYPTED 2u

struct object {
	uint32_t kind, flags;
	uint32_t stored; /* bytes of payload */
	uint32_t length; /* bytes of the record, as it was written */
	uint64_t number; /* of the objects before it that count */
	uint64_t epoch;
	uint32_t crc; /* of the payload */
	uint32_t salt;
};

void object_encode(const struct object *object, uint8_t header[OBJECT_HEADER]);
/* False: this is no header of such an object. */
bool object_decode(struct object *object, const uint8_t header[OBJECT_HEADER]);

/* Reads the header at offset of a file.  0; -EBADMSG: none is there, or it has another salt;
 * another -errno. */
int object_read(int fd, uint64_t offset, uint32_t salt, struct object *object);
/* Reads the payload of what object_read() found there, as much of it as there is room, and checks
 * all of it against its CRC.  0, -EBADMSG or another -errno. */
int object_read_payload(int fd, uint64_t offset, const struct object *object,
			const struct slice *into);
/* Writes an object with its payload; fills in stored and crc.  0 or -errno. */
int object_write(int fd, uint64_t offset, struct object *object, const struct slice *payload);

#endif
