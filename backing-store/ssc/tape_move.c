/* SPDX-License-Identifier: MIT */
/* SPACE and LOCATE: over the index only, never over the records. */
#include <errno.h>

#include "tape.h"

static void end(struct tgt_bs_request *r, enum tgt_bs_status status, uint64_t left)
{
	r->status = status;
	r->residue = (int64_t)left;
}

/* ---- records (SSC-5 SPACE, CODE 000b) ---- */

static int records_forward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t marks, stop = index->nr, records;
	int err = index_marks_before(index, tape->position, &marks);
	bool has_mark = !err && marks < index->nr_marks;

	if (has_mark)
		err = index_mark(index, marks, &stop);
	if (err)
		return err;
	records = stop - tape->position;
	if (n <= records) {
		tape->position += n;
		return 0;
	}
	tape->position = stop + has_mark; /* a filemark is passed over */
	end(r, has_mark ? TGT_BS_ERR_FILEMARK : TGT_BS_ERR_END_OF_DATA, n - records);
	return 0;
}

static int records_backward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t marks, stop = 0, records;
	int err = index_marks_before(index, tape->position, &marks);

	if (!err && marks)
		err = index_mark(index, marks - 1, &stop);
	if (err)
		return err;
	records = tape->position - stop - (marks != 0);
	if (n <= records) {
		tape->position -= n;
		return 0;
	}
	tape->position = stop;
	end(r, marks ? TGT_BS_ERR_FILEMARK : TGT_BS_ERR_BEGINNING, n - records);
	return 0;
}

/* ---- filemarks (CODE 001b) ---- */

static int marks_forward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t before, number;
	int err = index_marks_before(index, tape->position, &before);

	if (err)
		return err;
	if (n > index->nr_marks - before) {
		tape->position = index->nr;
		end(r, TGT_BS_ERR_END_OF_DATA, n - (index->nr_marks - before));
		return 0;
	}
	err = index_mark(index, before + n - 1, &number);
	if (!err)
		tape->position = number + 1;
	return err;
}

static int marks_backward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t before, number;
	int err = index_marks_before(index, tape->position, &before);

	if (err)
		return err;
	if (n > before) {
		tape->position = 0;
		end(r, TGT_BS_ERR_BEGINNING, n - before);
		return 0;
	}
	err = index_mark(index, before - n, &number);
	if (!err)
		tape->position = number;
	return err;
}

/* ---- n filemarks one behind the other (CODE 010b) ---- */

/* Filemarks from number mark on: how many of them stand together, the first included. */
static int run_length(struct index *index, uint64_t mark, uint64_t n, uint64_t *run)
{
	uint64_t first, other;
	int err = index_mark(index, mark, &first);

	for (*run = 1; !err && *run < n && mark + *run < index->nr_marks; ++*run) {
		err = index_mark(index, mark + *run, &other);
		if (err || other != first + *run)
			break;
	}
	return err;
}

static int runs_forward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t mark, run, number;
	int err = index_marks_before(index, tape->position, &mark);

	for (; !err && mark < index->nr_marks; mark += run) {
		err = run_length(index, mark, n, &run);
		if (err || run < n)
			continue;
		err = index_mark(index, mark + n - 1, &number);
		if (!err)
			tape->position = number + 1;
		return err;
	}
	if (err)
		return err;
	tape->position = index->nr;
	end(r, TGT_BS_ERR_END_OF_DATA, n);
	return 0;
}

static int runs_backward(struct tape *tape, struct tgt_bs_request *r, uint64_t n)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t mark, number = 0, next = 0, run = 0;
	int err = index_marks_before(index, tape->position, &mark);

	for (; !err && mark && run < n; mark--) {
		err = index_mark(index, mark - 1, &number);
		run = run && number + 1 == next ? run + 1 : 1;
		next = number;
	}
	if (err)
		return err;
	if (run == n) {
		tape->position = number;
		return 0;
	}
	tape->position = 0;
	end(r, TGT_BS_ERR_BEGINNING, n);
	return 0;
}

void tape_space(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t n = r->count < 0 ? -(uint64_t)r->count : (uint64_t)r->count;
	bool back = r->count < 0;
	int err = 0;

	if (r->space_code == TGT_BS_SPACE_END_OF_DATA)
		tape->position = tape_partition(tape)->index.nr;
	else if (r->space_code > TGT_BS_SPACE_END_OF_DATA)
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	else if (!n)
		return;
	else if (r->space_code == TGT_BS_SPACE_RECORDS)
		err = back ? records_backward(tape, r, n) : records_forward(tape, r, n);
	else if (r->space_code == TGT_BS_SPACE_FILEMARKS)
		err = back ? marks_backward(tape, r, n) : marks_forward(tape, r, n);
	else
		err = back ? runs_backward(tape, r, n) : runs_forward(tape, r, n);
	if (err)
		tape_fail(tape, r, err);
}

/* Behind filemark number offset of the partition, counted from 1. */
static int locate_file(struct tape *tape, struct tgt_bs_request *r)
{
	struct index *index = &tape_partition(tape)->index;
	uint64_t number = 0;
	int err;

	if (r->offset > index->nr_marks) {
		tape->position = index->nr;
		r->status = TGT_BS_ERR_END_OF_DATA;
		return 0;
	}
	err = r->offset ? index_mark(index, r->offset - 1, &number) : 0;
	if (!err)
		tape->position = r->offset ? number + 1 : 0;
	return err;
}

void tape_locate(struct tape *tape, struct tgt_bs_request *r)
{
	struct partition *p;
	int err = 0;

	if (r->partition >= tape->image.count || r->space_code > TGT_BS_SPACE_END_OF_DATA ||
	    r->space_code == TGT_BS_SPACE_SEQUENTIAL_FILEMARKS) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	tape->partition = r->partition;
	p = tape_partition(tape);
	if (r->space_code == TGT_BS_SPACE_END_OF_DATA) {
		tape->position = p->index.nr;
	} else if (r->space_code == TGT_BS_SPACE_FILEMARKS) {
		err = locate_file(tape, r);
	} else if (r->offset > p->index.nr) {
		tape->position = p->index.nr;
		r->status = TGT_BS_ERR_END_OF_DATA;
	} else {
		tape->position = r->offset;
	}
	if (err)
		tape_fail(tape, r, err);
}

void tape_rewind(struct tape *tape, struct tgt_bs_request *r)
{
	if (tape_flush(tape, r))
		tape->position = 0;
}
