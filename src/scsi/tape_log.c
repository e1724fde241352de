/* SPDX-License-Identifier: MIT */
#include "scsi/tape_log.h"

#include <string.h>

#include "scsi/commands.h"
#include "scsi/tape.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define MEGA 1000000u
#define MEBI_SHIFT 20

void tape_log_count(const struct scsi_task *t, _Atomic uint64_t *counters)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (bs->op != TGT_BS_TAPE_READ && bs->op != TGT_BS_TAPE_WRITE)
		return;
	log_add(&counters[LOG_BYTES], bs->op == TGT_BS_TAPE_READ ? t->data.length : bs->actual);
	log_add(&counters[LOG_STORED], bs->stored ? bs->stored : bs->actual);
}

/* The cartridge; false: there is none. */
static bool cartridge(const struct lu *lu, struct tgt_bs_tape_info *info)
{
	return lu->medium && !store_tape_info(lu->store, info);
}

static unsigned nr_partitions(const struct tgt_bs_tape_info *info)
{
	return info->nr_partitions < TGT_BS_PARTITIONS_MAX ? info->nr_partitions
							   : TGT_BS_PARTITIONS_MAX;
}

static uint64_t sum(const uint64_t *sizes, unsigned count)
{
	uint64_t total = 0;

	while (count--)
		total += *sizes++;
	return total;
}

/* A counter that LOG SELECT has reset goes on from where it was then. */
static uint64_t since(const struct log_sums *now, const struct log_sums *base, unsigned kind,
		      enum log_counter counter)
{
	return now->counters[kind][counter] - base->counters[kind][counter];
}

/* ---- Sequential-Access Device ---- */

/* Parameter codes 0 to 3, and what they count. */
static const struct {
	uint8_t kind, counter;
} sequential[] = {
    {COUNTS_WRITE, LOG_BYTES},  /* from initiators */
    {COUNTS_WRITE, LOG_STORED}, /* to the medium */
    {COUNTS_READ, LOG_STORED},  /* from the medium */
    {COUNTS_READ, LOG_BYTES},   /* to initiators */
};
#define NATIVE_CAPACITY_TO_EOD 0x0004 /* from the beginning of the partition, 10^6 bytes */
#define NATIVE_CAPACITY_TO_HERE 0x0007
#define CLEANING_REQUIRED 0x0100

static struct log_param *put_unknown(struct log_param *out, uint16_t code, uint8_t length)
{
	memset(log_put_param(out, code, LOG_BINARY_LIST, length, false)->value, 0xff, length);
	return out;
}

/* Of the partition that the tape stands in. */
static void native_capacities(const struct lu *lu, struct log_param *eod, struct log_param *here)
{
	uint32_t at = atomic_load_explicit(&lu->tape->partition, memory_order_relaxed);
	uint64_t remain = atomic_load_explicit(&lu->tape->pos_remain, memory_order_relaxed);
	struct tgt_bs_tape_info info;

	put_unknown(eod, NATIVE_CAPACITY_TO_EOD, 8);
	put_unknown(here, NATIVE_CAPACITY_TO_HERE, 8);
	if (!cartridge(lu, &info) || at >= nr_partitions(&info))
		return;
	put_be64(eod->value, info.used[at] / MEGA);
	if (remain && remain <= info.size[at])
		put_be64(here->value, (info.size[at] - remain) / MEGA);
}

unsigned tape_log_sequential(const struct lu *lu, struct log_param *out)
{
	struct log_sums sums;
	unsigned count = 0;

	log_read(lu, &sums);
	for (; count < ARRAY_SIZE(sequential); count++)
		put_be64(log_put_param(&out[count], (uint16_t)count, LOG_BOUNDED_COUNTER, 8, true)
			     ->value,
			 since(&sums, &lu->log->sequential_base, sequential[count].kind,
			       sequential[count].counter));
	native_capacities(lu, &out[count], &out[count + 1]);
	count += 2;
	log_put_param(&out[count++], CLEANING_REQUIRED, LOG_BINARY_LIST, 1, false);
	return count;
}

void tape_log_reset_sequential(struct lu *lu, int code)
{
	struct log_sums sums, *base = &lu->log->sequential_base;

	log_read(lu, &sums);
	for (unsigned i = 0; i < ARRAY_SIZE(sequential); i++)
		if (code < 0 || code == (int)i)
			base->counters[sequential[i].kind][sequential[i].counter] =
			    sums.counters[sequential[i].kind][sequential[i].counter];
}

/* ---- Volume Statistics: what is known of the cartridge now, not of its life ---- */

#define VOLUME_VALID 0x0000
#define VOLUME_CAPACITY 0x0016 /* 10^6 bytes */
#define VOLUME_USED 0x0017
#define VOLUME_BARCODE 0x0042
#define VOLUME_BARCODE_BYTES 32
#define VOLUME_WRITE_PROTECT 0x0080
#define VOLUME_WORM 0x0081
#define PARTITION_CAPACITY 0x0202 /* a record for each partition */
#define PARTITION_USED 0x0203
#define PARTITION_REMAINING 0x0204
#define RECORD_BYTES 8u

static uint32_t megabytes(uint64_t bytes)
{
	uint64_t mb = bytes / MEGA;

	return mb < UINT32_MAX ? (uint32_t)mb : UINT32_MAX;
}

/* Length of what follows, partition, megabytes. */
static void put_records(struct log_param *out, uint16_t code, const struct tgt_bs_tape_info *info,
			uint64_t (*value)(const struct tgt_bs_tape_info *info, unsigned i))
{
	unsigned count = nr_partitions(info);
	uint8_t *at =
	    log_put_param(out, code, LOG_BINARY_LIST, (uint8_t)(count * RECORD_BYTES), false)
		->value;

	for (unsigned i = 0; i < count; i++, at += RECORD_BYTES) {
		at[0] = RECORD_BYTES - 1;
		put_be16(at + 2, (uint16_t)i);
		put_be32(at + 4, megabytes(value(info, i)));
	}
}

static uint64_t size_of(const struct tgt_bs_tape_info *info, unsigned i)
{
	return info->size[i];
}

static uint64_t used_of(const struct tgt_bs_tape_info *info, unsigned i)
{
	return info->used[i] < info->size[i] ? info->used[i] : info->size[i];
}

static uint64_t remaining_of(const struct tgt_bs_tape_info *info, unsigned i)
{
	return info->size[i] - used_of(info, i);
}

static void put_barcode(struct log_param *out, const char *barcode)
{
	uint8_t *value =
	    log_put_param(out, VOLUME_BARCODE, LOG_ASCII_LIST, VOLUME_BARCODE_BYTES, false)->value;

	memset(value, ' ', VOLUME_BARCODE_BYTES);
	memcpy(value, barcode, strnlen(barcode, VOLUME_BARCODE_BYTES));
}

unsigned tape_log_volume(const struct lu *lu, struct log_param *out)
{
	struct tgt_bs_tape_info info;
	struct log_param *p = out;
	bool valid = cartridge(lu, &info);

	log_put_param(p, VOLUME_VALID, LOG_BINARY_LIST, 1, false)->value[0] = valid;
	if (!valid)
		return 1;
	put_be32(log_put_param(++p, VOLUME_CAPACITY, LOG_BINARY_LIST, 4, false)->value,
		 megabytes(sum(info.size, nr_partitions(&info))));
	put_be32(log_put_param(++p, VOLUME_USED, LOG_BINARY_LIST, 4, false)->value,
		 megabytes(sum(info.used, nr_partitions(&info))));
	put_barcode(++p, info.barcode);
	log_put_param(++p, VOLUME_WRITE_PROTECT, LOG_BINARY_LIST, 1, false)->value[0] =
	    lu->readonly || mode_swp(lu);
	log_put_param(++p, VOLUME_WORM, LOG_BINARY_LIST, 1, false)->value[0] =
	    info.medium == TGT_BS_MEDIUM_WORM;
	put_records(++p, PARTITION_CAPACITY, &info, size_of);
	put_records(++p, PARTITION_USED, &info, used_of);
	put_records(++p, PARTITION_REMAINING, &info, remaining_of);
	return (unsigned)(p - out) + 1;
}

/* ---- Data Compression ---- */

/* Parameter codes from 2 on: each counter in whole megabytes, then the bytes beyond them. */
static const struct {
	uint8_t kind, counter;
} transfers[] = {
    {COUNTS_READ, LOG_BYTES},
    {COUNTS_READ, LOG_STORED},
    {COUNTS_WRITE, LOG_BYTES},
    {COUNTS_WRITE, LOG_STORED},
};
#define FIRST_TRANSFER 0x0002
#define COMPRESSION_ENABLED 0x0100

/* Times 100: of what initiators sent or got, to what that took on the medium. */
static uint16_t ratio(const struct log_sums *sums, const struct log_sums *base, unsigned kind)
{
	uint64_t bytes = since(sums, base, kind, LOG_BYTES);
	uint64_t stored = since(sums, base, kind, LOG_STORED);
	uint64_t percent;

	if (!stored)
		return 0;
	percent = (uint64_t)((__uint128_t)bytes * 100 / stored);
	return percent < UINT16_MAX ? (uint16_t)percent : UINT16_MAX;
}

unsigned tape_log_compression(const struct lu *lu, struct log_param *out)
{
	const struct log_sums *base = &lu->log->compression_base;
	struct log_sums sums;
	struct log_param *p = out;

	log_read(lu, &sums);
	put_be16(log_put_param(p++, 0, LOG_BOUNDED_COUNTER, 2, true)->value,
		 ratio(&sums, base, COUNTS_READ));
	put_be16(log_put_param(p++, 1, LOG_BOUNDED_COUNTER, 2, true)->value,
		 ratio(&sums, base, COUNTS_WRITE));
	for (unsigned i = 0; i < ARRAY_SIZE(transfers); i++) {
		uint16_t code = (uint16_t)(FIRST_TRANSFER + 2 * i);
		uint64_t bytes = since(&sums, base, transfers[i].kind, transfers[i].counter);

		put_be32(log_put_param(p++, code, LOG_BOUNDED_COUNTER, 4, true)->value,
			 megabytes(bytes));
		put_be32(
		    log_put_param(p++, (uint16_t)(code + 1), LOG_BOUNDED_COUNTER, 4, true)->value,
		    (uint32_t)(bytes % MEGA));
	}
	log_put_param(p++, COMPRESSION_ENABLED, LOG_BINARY_LIST, 1, false)->value[0] =
	    tape_modes(lu)->compress;
	return (unsigned)(p - out);
}

/* They depend on each other: all of them are reset together. */
void tape_log_reset_compression(struct lu *lu, int code)
{
	(void)code;
	log_read(lu, &lu->log->compression_base);
}

/* ---- Tape Usage of LTO drives: of the cartridge ---- */

#define USAGE_THREADS 0x0001
#define USAGE_WRITTEN 0x0002
#define USAGE_READ 0x0007
#define DATA_SET 2472960u /* bytes of a data set of LTO-6, which is what the page counts */

/* Over the cartridge's life. */
static uint64_t data_sets(uint64_t before, uint64_t now)
{
	uint64_t bytes = before > UINT64_MAX - now ? UINT64_MAX : before + now;

	return bytes / DATA_SET + !!(bytes % DATA_SET);
}

/* Since it came in; nothing is done again, and nothing suspended. */
static struct log_param *put_errors(struct log_param *p, uint16_t retries, uint64_t unrecovered)
{
	log_put_param(p++, retries, LOG_BOUNDED_COUNTER, 4, false);
	put_be16(log_put_param(p++, (uint16_t)(retries + 1), LOG_BOUNDED_COUNTER, 2, false)->value,
		 unrecovered < UINT16_MAX ? (uint16_t)unrecovered : UINT16_MAX);
	log_put_param(p++, (uint16_t)(retries + 2), LOG_BOUNDED_COUNTER, 2, false);
	log_put_param(p++, (uint16_t)(retries + 3), LOG_BOUNDED_COUNTER, 2, false);
	return p;
}

unsigned tape_log_usage(const struct lu *lu, struct log_param *out)
{
	const struct log_sums *base = &lu->log->usage_base;
	const struct mam_totals before = lu->medium ? lu->mam_before : (struct mam_totals){0};
	struct log_sums sums = *base;
	struct log_param *p = out;

	if (lu->medium)
		log_read(lu, &sums);
	put_be32(log_put_param(p++, USAGE_THREADS, LOG_BOUNDED_COUNTER, 4, false)->value,
		 before.loads < UINT32_MAX ? (uint32_t)before.loads : UINT32_MAX);
	put_be64(log_put_param(p++, USAGE_WRITTEN, LOG_BOUNDED_COUNTER, 8, false)->value,
		 data_sets(before.written, since(&sums, base, COUNTS_WRITE, LOG_BYTES)));
	p = put_errors(p, USAGE_WRITTEN + 1, since(&sums, base, COUNTS_WRITE, LOG_ERRORS));
	put_be64(log_put_param(p++, USAGE_READ, LOG_BOUNDED_COUNTER, 8, false)->value,
		 data_sets(before.read, since(&sums, base, COUNTS_READ, LOG_BYTES)));
	p = put_errors(p, USAGE_READ + 1, since(&sums, base, COUNTS_READ, LOG_ERRORS));
	return (unsigned)(p - out);
}

void tape_log_restart_usage(struct lu *lu)
{
	if (lu->log)
		log_read(lu, &lu->log->usage_base);
}

/* ---- Tape Capacity of LTO drives: the first two partitions, 2^20 bytes ---- */

unsigned tape_log_capacity(const struct lu *lu, struct log_param *out)
{
	struct tgt_bs_tape_info info;
	bool valid = cartridge(lu, &info);

	for (uint16_t code = 1; code <= 4; code++) {
		unsigned i = (code - 1u) % 2;
		uint8_t *value =
		    log_put_param(&out[code - 1], code, LOG_BINARY_LIST, 4, false)->value;
		uint64_t bytes;

		if (!valid || i >= nr_partitions(&info))
			continue;
		bytes = (code <= 2 ? remaining_of(&info, i) : info.size[i]) >> MEBI_SHIFT;
		put_be32(value, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
	}
	return 4;
}
