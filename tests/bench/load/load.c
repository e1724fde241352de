/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "medium.h"
#include "pattern.h"
#include "pdu.h"
#include "util/bytes.h"

#define WARM_UP (SECOND * 3 / 10) /* caches, windows */
#define SPIN 60000                /* ns: what a sleep may be late */
#define NOBODY_WAITS (SECOND / 10)

struct result result;

static uint8_t *payload;
static struct pollfd fds[MAX_SESSIONS];
static uint64_t to_start = UINT64_MAX; /* commands of a count */
static uint64_t in_flight;
static uint64_t begin;    /* what was due before isn't measured, at a rate */
static uint64_t due;      /* at a rate: when the next I/O is */
static uint64_t last_due; /* there are none later */
static double interval;
static uint64_t nr_due; /* so many since begin */
static unsigned next_session;

static void put_cdb(const struct request *r, uint8_t *cdb)
{
	if (opt.tape) {
		cdb[0] = r->write ? 0x0a : 0x08;
		put_be24(cdb + 2, opt.size);
		return;
	}
	cdb[0] = r->write ? 0x8a : 0x88;
	put_be64(cdb + 2, r->offset / block_size);
	put_be32(cdb + 10, opt.size / block_size);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void put_command(struct session *s, unsigned tag)
{
	struct request *r = &s->requests[tag];
	uint8_t bhs[BHS_LEN] = {SCSI_COMMAND};
	uint32_t immediate = 0;

	if (r->write && s->immediate)
		immediate = least(least(opt.size, IMMEDIATE), least(s->first_burst, s->max_send));
	if (r->write && opt.verify)
		pattern_fill(r->data, opt.size, block_size, r->offset / block_size, r->generation);
	bhs[1] = 0x80 | (r->write ? 0x20 : 0x40) | 1; /* F, W or R, SIMPLE */
	session_put_lun(bhs);
	put_be32(bhs + 16, tag);
	put_be32(bhs + 20, opt.size);
	put_be32(bhs + 24, s->cmdsn++);
	put_be32(bhs + 28, s->expstatsn);
	put_cdb(r, bhs + 32);
	pdu_put(s, bhs, opt.verify ? r->data : payload, immediate);
}

static bool is_write(void)
{
	static uint32_t rng = 2463534242u;

	if (opt.mix == 0 || opt.mix == 100)
		return opt.mix == 0;
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng % 100 >= opt.mix;
}

static bool can_start(const struct session *s)
{
	return to_start && s->nr_free && (int32_t)(s->maxcmdsn - s->cmdsn) >= 0 &&
	       pdu_room(s) >= BHS_LEN + IMMEDIATE + 2 * DIGEST_LEN;
}

/* False if there is nothing on the medium that it could go to now. */
static bool start_one(struct session *s, uint64_t when)
{
	unsigned tag = s->free_tags[s->nr_free - 1];
	struct request *r = &s->requests[tag];

	r->write = is_write();
	if (!medium_choose(s, r))
		return false;
	r->due = when;
	r->got = 0;
	r->busy = true;
	s->nr_free--;
	in_flight++;
	to_start--;
	put_command(s, tag);
	return true;
}

static void fill(struct session *s)
{
	if (opt.batch && s->nr_free != opt.depth)
		return;
	while (can_start(s) && start_one(s, now_ns()))
		;
}

static void next_due(void)
{
	due = begin + (uint64_t)((double)++nr_due * interval);
}

/* What is due, on the sessions by turns.  An I/O for which no session has room waits, and its time
 * runs. */
static void fill_at_rate(struct session *sessions)
{
	uint64_t now = now_ns();

	for (unsigned tried = 0; tried < opt.sessions && due <= now && due < last_due;) {
		struct session *s = &sessions[next_session];

		next_session = (next_session + 1) % opt.sessions;
		if (can_start(s) && start_one(s, due)) {
			next_due();
			tried = 0;
		} else {
			tried++;
		}
	}
}

/* Of what an R2T asks for, and of its PDUs. */
static size_t burst_size(const struct session *s, uint32_t len)
{
	uint32_t one = least(s->max_send, 65536);

	return len + ((size_t)len / one + 1) * (BHS_LEN + 2 * DIGEST_LEN + 3);
}

/* The whole burst that an R2T asks for, in Data-Out PDUs of up to 64 KiB. */
static void put_data(struct session *s, const struct request *r, const uint8_t *r2t)
{
	uint32_t offset = get_be32(r2t + 40), left = get_be32(r2t + 44), sn = 0;

	while (left) {
		uint32_t n = least(left, least(s->max_send, 65536));
		uint8_t bhs[BHS_LEN] = {DATA_OUT, left == n ? 0x80 : 0};

		memcpy(bhs + 8, r2t + 8, 8);
		memcpy(bhs + 16, r2t + 16, 8);
		put_be32(bhs + 28, s->expstatsn);
		put_be32(bhs + 36, sn++);
		put_be32(bhs + 40, offset);
		pdu_put(s, bhs, (opt.verify ? r->data : payload) + offset, n);
		offset += n;
		left -= n;
	}
}

static void measured(const struct request *r, uint64_t now)
{
	if (!opt.rate || r->due >= begin)
		histogram_record(r->write ? &result.writes : &result.reads, now - r->due);
}

static void ended(struct session *s, unsigned tag, bool good)
{
	struct request *r = &s->requests[tag];

	good = good && (r->write || r->got == opt.size);
	measured(r, now_ns());
	if (!good)
		result.errors++;
	else if (opt.verify && !r->write &&
		 !pattern_check(r->data, opt.size, block_size, r->offset / block_size,
				medium_generation(r)))
		result.verify_errors++;
	medium_release(r, good);
	r->busy = false;
	in_flight--;
	s->free_tags[s->nr_free++] = tag;
}

static void data_in(struct request *r, const struct pdu *pdu)
{
	uint32_t offset = get_be32(pdu->bhs + 40);

	if (r->write || offset > opt.size || pdu->len > opt.size - offset)
		fail("data that weren't asked for");
	r->got += pdu->len;
	if (opt.verify)
		memcpy(r->data + offset, pdu->data, pdu->len);
}

/* False if it has to wait for room in what is to be sent. */
static bool answer(struct session *s, const struct pdu *pdu)
{
	uint8_t op = pdu->bhs[0] & 0x3f;
	uint32_t tag = get_be32(pdu->bhs + 16);

	if (op == R2T && tag < opt.depth) {
		uint32_t offset = get_be32(pdu->bhs + 40), len = get_be32(pdu->bhs + 44);

		if (!s->requests[tag].write || offset > opt.size || len > opt.size - offset ||
		    len > MAX_BURST)
			fail("an R2T of data that there aren't");
		if (burst_size(s, len) > pdu_room(s))
			return false;
	}
	if (!pdu_note(s, pdu))
		return true;
	if (tag >= opt.depth || !s->requests[tag].busy)
		fail("PDU %02x of a task that there isn't", op);
	if (op == R2T)
		put_data(s, &s->requests[tag], pdu->bhs);
	if (op == DATA_IN)
		data_in(&s->requests[tag], pdu);
	if (op == SCSI_RESPONSE)
		ended(s, tag, !pdu->bhs[2] && !pdu->bhs[3]);
	if (op == DATA_IN && pdu->bhs[1] & 1) {
		s->ending = true;
		s->ending_tag = tag;
		s->ending_good = !pdu->bhs[3];
	}
	return true;
}

static void take_answers(struct session *s)
{
	struct pdu pdu;
	size_t at = 0;

	s->stalled = false;
	while (!s->stalled && pdu_skip(s, &at)) {
		if (s->ending) {
			s->ending = false;
			ended(s, s->ending_tag, s->ending_good);
		}
		if (!pdu_take(s, &at, &pdu))
			break;
		if (!answer(s, &pdu)) {
			at = (size_t)(pdu.bhs - s->in);
			s->stalled = true;
		}
	}
	pdu_taken(s, at);
}

static void wait_for_answers(struct session *sessions)
{
	struct timespec ts = {.tv_nsec = NOBODY_WAITS};
	uint64_t now;

	if (opt.rate && due < last_due) {
		now = now_ns();
		ts.tv_nsec = due > now + SPIN ? (long)(due - now - SPIN) : 0;
		if ((uint64_t)ts.tv_nsec > NOBODY_WAITS || due <= now)
			ts.tv_nsec =
			    due <= now ? SPIN : NOBODY_WAITS; /* due, but there is no room */
	}
	if (opt.spin)
		ts.tv_nsec = 0;
	for (unsigned i = 0; !opt.spin && i < opt.sessions; i++)
		session_wake_at(&sessions[i]);
	if (ppoll(fds, opt.sessions, &ts, NULL) < 0)
		die("poll");
}

static void turn(struct session *sessions)
{
	if (opt.rate)
		fill_at_rate(sessions);
	for (unsigned i = 0; i < opt.sessions; i++) {
		struct session *s = &sessions[i];

		if (!opt.rate)
			fill(s);
		session_flush(s);
		if (s->stalled && !s->out_len)
			take_answers(s);
		fds[i].events = (short)((s->stalled ? 0 : POLLIN) | (s->out_len ? POLLOUT : 0));
	}
	wait_for_answers(sessions);
	for (unsigned i = 0; i < opt.sessions; i++) {
		if (fds[i].revents && !sessions[i].stalled && session_receive(&sessions[i]))
			take_answers(&sessions[i]);
	}
}

/* Every place once, so that each read knows what it has to find. */
static void write_all(struct session *sessions)
{
	struct options asked = opt;

	opt.sessions = 1;
	opt.sequential = true;
	opt.mix = 0;
	opt.rate = 0;
	to_start = opt.range / opt.size;
	while (to_start || in_flight)
		turn(sessions);
	opt = asked;
	sessions[0].next = 0;
	if (result.errors)
		fail("writing the range: %llu commands failed", (unsigned long long)result.errors);
}

void load_prepare(struct session *sessions)
{
	payload = malloc(opt.size);
	if (!payload)
		die("malloc");
	memset(payload, 0x5a, opt.size);
	for (unsigned i = 0; i < opt.sessions; i++)
		fds[i].fd = sessions[i].fd;
	if (opt.idle)
		return;
	medium_find(&sessions[0]);
	if (opt.tape)
		tape_prepare(&sessions[0]);
	for (unsigned i = 0; i < opt.sessions; i++)
		sessions[i].whole = opt.verify || opt.data_digest;
	if (opt.verify && opt.mix < 100)
		write_all(sessions);
}

static void begin_measuring(uint64_t commands)
{
	to_start = commands;
	histogram_reset(&result.reads);
	histogram_reset(&result.writes);
	result.errors = 0; /* but data that were wrong count whenever they were found */
	printf("go\n");
	fflush(stdout);
	begin = now_ns();
}

static void begin_rate(void)
{
	interval = opt.rate ? (double)SECOND / opt.rate : 0;
	begin = due = now_ns();
	nr_due = 0;
	last_due = UINT64_MAX;
}

/* What was due and isn't done counts with the time that it has taken up to now. */
static void count_unfinished(const struct session *sessions)
{
	uint64_t now = now_ns();

	for (unsigned i = 0; i < opt.sessions; i++)
		for (unsigned tag = 0; tag < opt.depth; tag++) {
			const struct request *r = &sessions[i].requests[tag];

			if (!r->busy || r->due < begin)
				continue;
			measured(r, now);
			result.unfinished++;
		}
	for (; due < last_due; next_due()) {
		measured(&(struct request){.due = due, .write = is_write()}, now);
		result.unfinished++;
	}
}

static void run_at_rate(struct session *sessions)
{
	uint64_t length = opt.length_ns, grace = length > SECOND ? length : SECOND;

	begin_rate();
	while (now_ns() - begin < WARM_UP)
		turn(sessions);
	begin_measuring(UINT64_MAX);
	begin_rate();
	last_due = begin + length;
	while ((due < last_due || in_flight) && now_ns() < last_due + grace)
		turn(sessions);
	result.took = now_ns() - begin;
	count_unfinished(sessions);
}

static void run_for_seconds(struct session *sessions)
{
	begin = now_ns();
	to_start = opt.idle ? 0 : UINT64_MAX;
	while (!opt.idle && now_ns() - begin < WARM_UP)
		turn(sessions);
	begin_measuring(to_start);
	do {
		turn(sessions);
		result.took = now_ns() - begin;
	} while (result.took < opt.length_ns);
}

static void run_count(struct session *sessions)
{
	begin_measuring(opt.count);
	while (to_start || in_flight)
		turn(sessions);
	result.took = now_ns() - begin;
	if (opt.mix < 100)
		medium_synchronise(&sessions[0]);
}

void load_run(struct session *sessions)
{
	if (opt.count)
		run_count(sessions);
	else if (opt.rate)
		run_at_rate(sessions);
	else
		run_for_seconds(sessions);
}
