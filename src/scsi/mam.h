/* SPDX-License-Identifier: MIT */
/*
 * Medium auxiliary memory (SPC-5): what a cartridge carries beside its data.  mam.c knows its
 * contents and how they are kept with the cartridge, mam_values.c what its attributes say now,
 * mam_commands.c READ and WRITE ATTRIBUTE.
 *
 * It is read from the cartridge for each command and written back before that ends, so there is no
 * copy of it in the daemon that could differ from it.
 */
#ifndef TGT_SCSI_MAM_H
#define TGT_SCSI_MAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tgt/backing-store.h>

struct lu;
struct scsi_task;
struct lu_identity;

#define MAM_KEY "mam"           /* among the blobs that live with the medium */
#define MAM_ROOM 16384u         /* bytes for the attributes of hosts */
#define MAM_ATTRIBUTE_MAX 1024u /* bytes of one value */
#define MAM_ENTRY 6u            /* bytes that each takes beside its value */
#define MAM_FIXED 256u          /* bytes of the blob before the attributes of hosts */
#define MAM_BLOB_MAX (MAM_FIXED + MAM_ROOM + 4u)
#define MAM_LOADS 4
#define MAM_SHARED 0xffu /* as partition: of the whole volume */

/* FORMAT of an attribute (SPC-5 MAM attribute format). */
enum mam_format { MAM_BINARY = 0, MAM_ASCII = 1, MAM_TEXT = 2 };

struct mam {
	uint64_t load_count;
	uint64_t written, read;           /* bytes, in all the loads that have ended */
	uint64_t last_written, last_read; /* bytes, in the last load that has ended */
	uint16_t initializations;
	uint8_t drives[MAM_LOADS][40]; /* vendor and serial number of the last drives, newest first;
					* zeroes: there was none */
	uint8_t serial[32];            /* of the medium, ASCII */
	uint8_t made[8];               /* YYYYMMDD */
	uint32_t host_len;
	/* attributes of hosts, by identifier, then partition: identifier (2), partition (1), format
	 * (1), length (2), value */
	uint8_t host[MAM_ROOM];
};

/* ---- mam.c ---- */

/* A new cartridge's; serial is its bar code, or NULL. */
void mam_init(struct mam *mam, const char *serial);
/* Into MAM_BLOB_MAX bytes; the length. */
size_t mam_encode(const struct mam *mam, uint8_t *blob);
/* False: it isn't one, or damaged; then nothing is known of *mam. */
bool mam_decode(struct mam *mam, const uint8_t *blob, size_t len);
/* It was put into a drive, with this vendor and serial number. */
void mam_note_load(struct mam *mam, const struct lu_identity *drive);
/* It goes out; so many bytes were written and read since it came in. */
void mam_note_unload(struct mam *mam, uint64_t written, uint64_t read);

/* An attribute of a host; NULL: there is none.  It points into the memory. */
struct mam_entry {
	uint16_t id;
	uint8_t partition, format;
	uint16_t len;
	const uint8_t *value;
};
bool mam_find(const struct mam *mam, uint16_t id, uint8_t partition, struct mam_entry *entry);
/* Walks over them: *at is 0 for the first; false behind the last. */
bool mam_next(const struct mam *mam, uint32_t *at, struct mam_entry *entry);

/* What WRITE ATTRIBUTE found. */
enum mam_result { MAM_DONE, MAM_BAD_FIELD, MAM_CUT_SHORT, MAM_FULL };
/* Sets, and with length 0 deletes, what the attribute list (without the header) says; when it isn't
 * MAM_DONE nothing has changed in any attribute that may be used: the caller drops *mam.  *field:
 * the offset of what is wrong. */
enum mam_result mam_write(struct mam *mam, uint8_t partition, const uint8_t *list, size_t len,
			  size_t *field);

/* ---- the attributes (SPC-5 Device, Medium and Host type attributes) ---- */

struct mam_type {
	uint16_t id, len; /* len: of the value; variable ones: the most that there may be */
	uint8_t format;   /* enum mam_format */
	bool variable, per_partition;
};
/* NULL: it isn't supported.  Vendor specific host attributes share one type. */
const struct mam_type *mam_type(uint16_t id);
/* Ascending; NULL behind the last.  Without the vendor specific ones. */
const struct mam_type *mam_type_at(unsigned index);
static inline bool mam_is_host(uint16_t id)
{
	return (id >= 0x0800 && id < 0x0c00) || (id >= 0x1400 && id < 0x1800);
}

/* ---- mam_values.c ---- */

/* What the attributes are about. */
struct mam_view {
	const struct mam *mam;
	const struct tgt_bs_tape_info *tape;
	uint64_t written, read; /* bytes, since it was loaded */
	uint8_t partition;
	uint64_t alerts; /* TapeAlert flags, flag 1 the most significant bit */
};

#define MAM_REPLY_MAX (4u + MAM_ROOM + 8192u)
/* The attributes from first on, with values, into at most room bytes; the length. */
size_t mam_put_values(const struct mam_view *view, uint16_t first, uint8_t *at, size_t room);
/* The identifiers of those that exist, or that are supported. */
size_t mam_put_list(const struct mam_view *view, uint16_t first, uint8_t *at, size_t room);
size_t mam_put_supported(uint16_t first, uint8_t *at, size_t room);
bool mam_exists(const struct mam_view *view, uint16_t id);

/* ---- mam_commands.c ---- */

/* Notes in the cartridge's memory that it has come in or is about to go out, then next(arg) on this
 * reactor; what can't be noted is logged.  At once for stores that keep none.  While nothing else
 * moves the cartridge. */
void mam_load(struct lu *lu, void (*next)(void *arg), void *arg);
void mam_unload(struct lu *lu, void (*next)(void *arg), void *arg);
/* Another cartridge, of which nothing is known yet: what was moved before was moved on the one
 * before. */
void mam_restart_totals(struct lu *lu);

#endif
