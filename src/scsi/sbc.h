/* SPDX-License-Identifier: MIT */
/*
 * What the files of the disk commands share.  All of it runs on the task's reactor.
 *
 * Every disk command keeps the bytes of the medium that it is about in t->work[0] (first) and
 * t->work[1] (how many).  t->lba and t->blocks are the range that the core orders against others:
 * the same, or more when the store's alignment makes a write touch its neighbours.  t->work[2]
 * belongs to the chunks below.
 */
#ifndef TGT_SCSI_SBC_H
#define TGT_SCSI_SBC_H

#include "scsi/commands.h"

#define SBC_DPO 0x10 /* byte 1 of most commands */
#define SBC_FUA 0x08
/* GROUP NUMBER, where a CDB has it: nothing is collected by groups, so it is taken and has no
 * effect */
#define SBC_GROUP 0x1f

static inline uint64_t sbc_first_byte(const struct scsi_task *t)
{
	return t->work[0];
}

static inline uint64_t sbc_nr_bytes(const struct scsi_task *t)
{
	return t->work[1];
}

/* The range that a CDB names: where it is depends on the CDB's length alone (SBC-4 annex A.2). */
struct sbc_cdb_range {
	uint64_t lba;
	uint32_t blocks;     /* READ(6), WRITE(6): 256 where the CDB has 0 */
	uint8_t blocks_byte; /* where the number of blocks stands, for the field pointer */
};
struct sbc_cdb_range sbc_cdb_range(const struct scsi_task *t);

/* Sets the task's range; false: it is beyond the capacity, and the task has ended. */
bool sbc_set_range(struct scsi_task *t, uint64_t lba, uint64_t blocks);
/* The range of the CDB, which may be empty, and that much data; false: the task has ended. */
bool sbc_prepare_transfer(struct scsi_task *t);
/* The same for commands that write: they run alone when the store can't take the range as it is. */
bool sbc_prepare_write(struct scsi_task *t);
/* Only the range; 0 blocks mean all up to the end (SYNCHRONIZE CACHE, PRE-FETCH). */
bool sbc_prepare_to_end(struct scsi_task *t);
/* Widens the range that the core orders to what a read-modify-write touches. */
void sbc_widen_range(struct scsi_task *t);

/* True when the store takes these bytes as they are. */
static inline bool sbc_is_aligned(const struct lu *lu, uint64_t offset, uint64_t length)
{
	return ((offset | length) & (lu->io_alignment - 1)) == 0;
}

/*
 * Chunks: the range (t->work[0], t->work[1]) is read into t->scratch, piece by piece and widened to
 * the store's alignment; what stands there is compared, copied out, or changed and written back.
 */
enum sbc_chunk_result {
	SBC_CHUNK_NEXT,  /* go on with the next one */
	SBC_CHUNK_WRITE, /* it was changed: write it back, then go on */
	SBC_CHUNK_ENDED, /* the task has ended */
};

struct sbc_chunk_ops {
	/* The len bytes from first + done on are at at. */
	enum sbc_chunk_result (*chunk)(struct scsi_task *t, uint8_t *at, uint64_t done,
				       uint32_t len);
	/* After the last one; it ends the task or goes on. */
	void (*finished)(struct scsi_task *t);
	/* chunk() sets every byte: the medium is read only where the range is not aligned. */
	bool overwrites;
};
void sbc_each_chunk(struct scsi_task *t, const struct sbc_chunk_ops *ops);

/* A chunk(): only that it can be read matters. */
enum sbc_chunk_result sbc_drop_chunk(struct scsi_task *t, uint8_t *at, uint64_t done, uint32_t len);
/* Reads all of the range and drops it, then GOOD. */
extern const struct sbc_chunk_ops sbc_read_only_chunks;

/* TGT_BS_REQ_FUA when the write at hand has to be durable and the store can do that at once, else
 * 0. */
uint32_t sbc_write_flags(const struct scsi_task *t);
/* After the last write: flushes when the data must be durable and are not yet, then GOOD. */
void sbc_write_finished(struct scsi_task *t);
/* The same when there were requests that know no FUA (DISCARD, WRITE_ZEROES) among them. */
void sbc_zero_finished(struct scsi_task *t);
/* Puts what the store has cached on the medium, then next(t); at once when it has no cache. */
void sbc_flush(struct scsi_task *t, void (*next)(struct scsi_task *t));

/* False: the store's request failed, and the task has ended with its sense. */
bool sbc_store_ok(struct scsi_task *t);

/*
 * For commands that do all or nothing: false, and the task has ended, when the initiator doesn't
 * mean to send as much as the CDB says.
 */
bool sbc_check_data_out(struct scsi_task *t, unsigned blocks_byte);

/* Bytes of Data-Out that are there in whole blocks, at most max. */
uint64_t sbc_whole_blocks(const struct scsi_task *t, uint64_t max);

/* Offset of the first byte of buf from offset on that differs from the len bytes at with; len if
 * none. */
size_t sbc_compare(const struct databuf *buf, size_t offset, const uint8_t *with, size_t len);

/* sbc_atomic.c: COMPARE AND WRITE, ORWRITE(16) */
bool sbc_offers_compare_and_write(const struct lu *lu);
bool sbc_offers_orwrite(const struct lu *lu);
bool sbc_prepare_compare_and_write(struct scsi_task *t);
void sbc_compare_and_write(struct scsi_task *t);
bool sbc_prepare_orwrite(struct scsi_task *t);
void sbc_orwrite(struct scsi_task *t);

/* sbc.c: PREVENT ALLOW MEDIUM REMOVAL, of all that have a medium */
void sbc_prevent_allow(struct scsi_task *t);

/* sbc_status.c: GET LBA STATUS */
bool sbc_prepare_get_lba_status(struct scsi_task *t);
void sbc_get_lba_status(struct scsi_task *t);

#endif
