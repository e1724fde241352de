/* SPDX-License-Identifier: MIT */
/*
 * A lean iSCSI initiator for measurements: one thread, one session or several, a fixed queue depth,
 *one send for all commands that can go and one recv for all answers that came.  It knows just
 *enough of RFC 7143 to log in and to move data: results are checked for status, not for content.
 *
 *	iscsi-load --portal 127.0.0.1:3260 --target IQN --lun 1 --op read|write --size 4096
 *	           --depth 32 --sessions 1 --seconds 3 --range BYTES [--sequential]
 *	iscsi-load … --count COMMANDS [--tape] …
 *
 * With a count it does so many commands instead of running for some time, and then has what was
 * written synchronised, which isn't measured.  A tape is rewound before them; its records have the
 * size that is given.
 *
 * Prints one line of JSON: ios, seconds, p50_us, p99_us, errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "util/bytes.h"

#define BHS 48
#define MAX_DEPTH 256
#define MAX_SESSIONS 64
#define BUCKETS 4096 /* latency histogram: 32 a power of two, in ns */

static struct {
	char host[64], port[8];
	const char *target;
	unsigned lun, size, depth, sessions, seconds;
	uint64_t range, count;
	bool write, sequential, tape;
} opt = {.lun = 1, .size = 4096, .depth = 32, .sessions = 1, .seconds = 3, .range = 1u << 30};

struct session {
	int fd;
	uint32_t cmdsn, expstatsn, maxcmdsn;
	uint8_t *in;
	size_t in_len, skip; /* skip: bytes of data segment still to be passed over */
	uint8_t *out;
	size_t out_len, out_sent;
	unsigned free_tags[MAX_DEPTH], nr_free;
	uint64_t started[MAX_DEPTH];
	uint64_t next; /* sequential position */
	unsigned data_sn;
};

static uint8_t *payload;
static uint64_t histogram[BUCKETS];
static uint64_t ios, errors;
static uint64_t to_start = UINT64_MAX; /* commands of a count */
static uint64_t rng = 88172645463325252ull;

static void die(const char *what)
{
	fprintf(stderr, "iscsi-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned bucket(uint64_t ns)
{
	unsigned log2 = ns < 32 ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 4;
	unsigned b = log2 ? log2 * 32 + (unsigned)(ns >> (log2 - 1)) % 32 : (unsigned)ns;

	return b < BUCKETS ? b : BUCKETS - 1;
}

static double bucket_us(unsigned b)
{
	unsigned log2 = b / 32;
	double ns = log2 ? (double)(32 + b % 32) * (double)(1ull << (log2 - 1)) : b;

	return ns / 1000;
}

static double percentile(double p)
{
	uint64_t want = (uint64_t)((double)ios * p), seen = 0;

	for (unsigned b = 0; b < BUCKETS; b++) {
		seen += histogram[b];
		if (seen > want)
			return bucket_us(b);
	}
	return 0;
}

static void send_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
}

static void recv_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, buf, len, 0);

		if (n <= 0)
			die("recv");
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
}

static void login(struct session *s, unsigned number)
{
	uint8_t pdu[BHS + 1024] = {0};
	char *text = (char *)pdu + BHS;
	size_t len = 0;

#define KEY(...) (len += (size_t)sprintf(text + len, __VA_ARGS__) + 1)
	KEY("InitiatorName=iqn.2026-01.org.tgt:load");
	KEY("TargetName=%s", opt.target);
	KEY("SessionType=Normal");
	KEY("HeaderDigest=None");
	KEY("DataDigest=None");
	KEY("InitialR2T=No");
	KEY("ImmediateData=Yes");
	KEY("MaxRecvDataSegmentLength=262144");
	KEY("FirstBurstLength=65536");
	KEY("MaxBurstLength=1048576");
	KEY("MaxConnections=1");
	KEY("ErrorRecoveryLevel=0");
	pdu[0] = 0x43;
	pdu[1] = 0x87; /* T, CSG 1, NSG 3 */
	put_be24(pdu + 5, (uint32_t)len);
	pdu[8] = 0x80;
	put_be32(pdu + 9, 0x746774u << 8);
	put_be16(pdu + 12, (uint16_t)number);
	put_be32(pdu + 24, 1);
	send_all(s->fd, pdu, BHS + ((len + 3) & ~3ul));
	recv_all(s->fd, pdu, BHS);
	if (pdu[0] != 0x23 || pdu[36] || !(pdu[1] & 0x80)) {
		fprintf(stderr, "iscsi-load: login refused, status %02x%02x\n", pdu[36], pdu[37]);
		exit(1);
	}
	s->expstatsn = get_be32(pdu + 24) + 1;
	s->maxcmdsn = get_be32(pdu + 32);
	s->cmdsn = get_be32(pdu + 28);
	len = (get_be24(pdu + 5) + 3) & ~3u;
	recv_all(s->fd, s->in, len);
}

static void open_session(struct session *s, unsigned number)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai;
	int one = 1;

	if (getaddrinfo(opt.host, opt.port, &hints, &ai))
		die(opt.host);
	s->fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (s->fd < 0 || connect(s->fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(ai);
	s->in = malloc(1 << 20);
	s->out = malloc((size_t)MAX_DEPTH * (BHS + 8192) + (4u << 20));
	for (unsigned i = 0; i < opt.depth; i++)
		s->free_tags[s->nr_free++] = i;
	s->next = opt.range / opt.sessions * number;
	login(s, number);
}

static uint64_t next_offset(struct session *s)
{
	uint64_t blocks = opt.range / opt.size;

	if (opt.sequential) {
		s->next = (s->next + opt.size) % (blocks * opt.size);
		return s->next;
	}
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % blocks * opt.size;
}

static void put_cdb(struct session *s, uint8_t *cdb)
{
	if (opt.tape) {
		cdb[0] = opt.write ? 0x0a : 0x08;
		put_be24(cdb + 2, opt.size);
		return;
	}
	cdb[0] = opt.write ? 0x8a : 0x88;
	put_be64(cdb + 2, next_offset(s) / 512);
	put_be32(cdb + 10, opt.size / 512);
}

static void put_command(struct session *s, unsigned tag)
{
	uint8_t *pdu = s->out + s->out_len;
	unsigned immediate = opt.write ? opt.size < 8192 ? opt.size : 8192 : 0;

	memset(pdu, 0, BHS);
	pdu[0] = 0x01;
	pdu[1] = 0x80 | (opt.write ? 0x20 : 0x40) | 1; /* F, W or R, SIMPLE */
	put_be24(pdu + 5, immediate);
	pdu[9] = (uint8_t)opt.lun;
	put_be32(pdu + 16, tag);
	put_be32(pdu + 20, opt.size);
	put_be32(pdu + 24, s->cmdsn++);
	put_be32(pdu + 28, s->expstatsn);
	put_cdb(s, pdu + 32);
	memcpy(pdu + BHS, payload, immediate);
	s->out_len += BHS + immediate;
	s->started[tag] = now_ns();
}

/* The whole burst that an R2T asks for, in Data-Out PDUs of up to 64 KiB. */
static void put_data(struct session *s, const uint8_t *r2t)
{
	uint32_t offset = get_be32(r2t + 40), left = get_be32(r2t + 44), sn = 0;

	while (left) {
		uint32_t n = left < 65536 ? left : 65536;
		uint8_t *pdu = s->out + s->out_len;

		memset(pdu, 0, BHS);
		pdu[0] = 0x05;
		pdu[1] = left == n ? 0x80 : 0;
		put_be24(pdu + 5, n);
		memcpy(pdu + 8, r2t + 8, 8);
		memcpy(pdu + 16, r2t + 16, 8);
		put_be32(pdu + 28, s->expstatsn);
		put_be32(pdu + 36, sn++);
		put_be32(pdu + 40, offset);
		memcpy(pdu + BHS, payload, n);
		s->out_len += BHS + n;
		offset += n;
		left -= n;
	}
}

static void fill(struct session *s)
{
	while (s->nr_free && to_start && (int32_t)(s->maxcmdsn - s->cmdsn) >= 0) {
		put_command(s, s->free_tags[--s->nr_free]);
		to_start--;
	}
}

static void flush_out(struct session *s)
{
	while (s->out_sent < s->out_len) {
		ssize_t n = send(s->fd, s->out + s->out_sent, s->out_len - s->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("send");
		s->out_sent += (size_t)n;
	}
	s->out_sent = s->out_len = 0;
}

static void ended(struct session *s, const uint8_t *pdu)
{
	unsigned tag = get_be32(pdu + 16);

	s->expstatsn = get_be32(pdu + 24) + 1;
	if (pdu[3])
		errors++;
	ios++;
	histogram[bucket(now_ns() - s->started[tag])]++;
	s->free_tags[s->nr_free++] = tag;
}

static void answer(struct session *s, const uint8_t *pdu)
{
	uint8_t op = pdu[0] & 0x3f;

	s->maxcmdsn = get_be32(pdu + 32);
	if (op == 0x21 || (op == 0x25 && pdu[1] & 1))
		ended(s, pdu);
	else if (op == 0x31)
		put_data(s, pdu);
	else if (op != 0x25) {
		fprintf(stderr, "iscsi-load: unexpected PDU %02x\n", op);
		exit(1);
	}
}

static void drain_in(struct session *s)
{
	ssize_t n = recv(s->fd, s->in + s->in_len, (1 << 20) - s->in_len, MSG_DONTWAIT);
	size_t at = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("recv");
	s->in_len += (size_t)n;
	for (;;) {
		size_t have = s->in_len - at;

		if (s->skip) {
			size_t pass = have < s->skip ? have : s->skip;

			s->skip -= pass;
			at += pass;
			if (s->skip)
				break;
			continue;
		}
		if (have < BHS)
			break;
		answer(s, s->in + at);
		s->skip = (get_be24(s->in + at + 5) + 3) & ~3u;
		at += BHS;
	}
	memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
}

static void turn(struct session *sessions, struct pollfd *fds)
{
	for (unsigned i = 0; i < opt.sessions; i++) {
		fill(&sessions[i]);
		flush_out(&sessions[i]);
		fds[i].events = sessions[i].out_len ? POLLIN | POLLOUT : POLLIN;
	}
	if (poll(fds, opt.sessions, 1000) < 0)
		die("poll");
	for (unsigned i = 0; i < opt.sessions; i++) {
		if (fds[i].revents)
			drain_in(&sessions[i]);
	}
}

/*
 * A command while nothing else goes on: up to len bytes of data come, or are sent if out is set.
 * Returns its status.
 */
static uint8_t command_alone(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len,
			     bool out)
{
	uint8_t pdu[BHS + 64] = {0x01, 0x81}, sense[1024];
	uint32_t got;

	pdu[1] |= len ? out ? 0x20 : 0x40 : 0;
	pdu[9] = (uint8_t)opt.lun;
	put_be32(pdu + 20, len);
	put_be32(pdu + 24, s->cmdsn++);
	put_be32(pdu + 28, s->expstatsn);
	memcpy(pdu + 32, cdb, 16);
	if (out) {
		put_be24(pdu + 5, len);
		memcpy(pdu + BHS, data, len);
	}
	send_all(s->fd, pdu, BHS + (out ? (len + 3) & ~3u : 0));
	recv_all(s->fd, pdu, BHS);
	got = (get_be24(pdu + 5) + 3) & ~3u;
	if ((pdu[0] != 0x21 && (pdu[0] != 0x25 || !(pdu[1] & 1))) || got > sizeof(sense)) {
		fprintf(stderr, "iscsi-load: unexpected PDU %02x\n", pdu[0]);
		exit(1);
	}
	recv_all(s->fd, sense, got);
	if (!out && !pdu[3])
		memcpy(data, sense, got < len ? got : len);
	s->expstatsn = get_be32(pdu + 24) + 1;
	s->maxcmdsn = get_be32(pdu + 32);
	return pdu[3];
}

static void must(struct session *s, const uint8_t cdb[16], uint8_t *data, uint32_t len, bool out)
{
	uint8_t status = command_alone(s, cdb, data, len, out);

	if (status) {
		fprintf(stderr, "iscsi-load: command %02x: status %02x\n", cdb[0], status);
		exit(1);
	}
}

#define PAGE_SIZE 20 /* of the mode parameter header and the Data Compression page */

/* DCE=0, if the drive can compress at all (SSC-5 Data Compression mode page). */
static void compression_off(struct session *s)
{
	static const uint8_t sense[16] = {0x1a, 0x08, 0x0f, 0, PAGE_SIZE};
	static const uint8_t select[16] = {0x15, 0x10, 0, 0, PAGE_SIZE};
	uint8_t page[PAGE_SIZE] = {0};

	if (command_alone(s, sense, page, sizeof(page), false))
		return;
	page[0] = 0;
	page[2] &= 0x7f; /* WP */
	page[4] &= 0x3f; /* PS */
	page[6] &= 0x7f;
	must(s, select, page, sizeof(page), true);
}

/* Takes the unit attentions, and goes to the beginning of a tape. */
static void prepare(struct session *s)
{
	static const uint8_t test_unit_ready[16] = {0x00}, rewind_tape[16] = {0x01};

	for (unsigned i = 0; i < 8 && command_alone(s, test_unit_ready, NULL, 0, false); i++)
		;
	if (!opt.tape)
		return;
	compression_off(s);
	must(s, rewind_tape, NULL, 0, false);
}

/* WRITE FILEMARKS of none, or SYNCHRONIZE CACHE of all */
static void synchronise(struct session *s)
{
	static const uint8_t write_no_filemarks[16] = {0x10}, synchronize_cache[16] = {0x35};

	if (opt.write)
		must(s, opt.tape ? write_no_filemarks : synchronize_cache, NULL, 0, false);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"portal", 1, NULL, 'p'},
						{"target", 1, NULL, 't'},
						{"lun", 1, NULL, 'l'},
						{"op", 1, NULL, 'o'},
						{"size", 1, NULL, 's'},
						{"depth", 1, NULL, 'd'},
						{"range", 1, NULL, 'r'},
						{"sessions", 1, NULL, 'n'},
						{"seconds", 1, NULL, 'S'},
						{"sequential", 0, NULL, 'q'},
						{"count", 1, NULL, 'c'},
						{"tape", 0, NULL, 'T'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'p' && sscanf(optarg, "%63[^:]:%7s", opt.host, opt.port) != 2)
			c = '?';
		if (c == '?')
			exit(2);
		if (c == 't')
			opt.target = optarg;
		if (c == 'l')
			opt.lun = (unsigned)strtoul(optarg, NULL, 10);
		if (c == 'o')
			opt.write = !strcmp(optarg, "write");
		if (c == 's')
			opt.size = (unsigned)strtoul(optarg, NULL, 10);
		if (c == 'd')
			opt.depth = (unsigned)strtoul(optarg, NULL, 10);
		if (c == 'r')
			opt.range = strtoull(optarg, NULL, 10);
		if (c == 'n')
			opt.sessions = (unsigned)strtoul(optarg, NULL, 10);
		if (c == 'S')
			opt.seconds = (unsigned)strtoul(optarg, NULL, 10);
		if (c == 'q')
			opt.sequential = true;
		if (c == 'c')
			opt.count = strtoull(optarg, NULL, 10);
		if (c == 'T')
			opt.tape = true;
	}
	if (!opt.target || !opt.host[0] || !opt.depth || opt.depth > MAX_DEPTH || !opt.sessions ||
	    opt.sessions > MAX_SESSIONS || !opt.size || opt.size % 512 || opt.range < opt.size ||
	    (opt.count && opt.sessions > 1) || (opt.tape && !opt.count)) {
		fprintf(stderr, "iscsi-load: a portal, a target and sensible numbers are needed\n");
		exit(2);
	}
}

static void begin_measuring(void)
{
	ios = errors = 0;
	memset(histogram, 0, sizeof(histogram));
	printf("go\n");
	fflush(stdout);
}

/* Returns how long it took, in ns. */
static uint64_t run_for_seconds(struct session *sessions, struct pollfd *fds)
{
	uint64_t begin = now_ns(), end;

	/* warm-up: caches, windows, unit attentions */
	while (now_ns() - begin < 300000000)
		turn(sessions, fds);
	begin_measuring();
	begin = now_ns();
	do {
		turn(sessions, fds);
		end = now_ns();
	} while (end - begin < (uint64_t)opt.seconds * 1000000000u);
	return end - begin;
}

static uint64_t run_count(struct session *s, struct pollfd *fds)
{
	uint64_t begin, took;

	prepare(s);
	begin_measuring();
	to_start = opt.count;
	begin = now_ns();
	while (ios < opt.count)
		turn(s, fds);
	took = now_ns() - begin;
	synchronise(s);
	return took;
}

int main(int argc, char **argv)
{
	static struct session sessions[MAX_SESSIONS];
	struct pollfd fds[MAX_SESSIONS];
	uint64_t took;

	parse(argc, argv);
	payload = malloc(1 << 20);
	memset(payload, 0x5a, 1 << 20);
	for (unsigned i = 0; i < opt.sessions; i++) {
		open_session(&sessions[i], i);
		fds[i].fd = sessions[i].fd;
	}
	took = opt.count ? run_count(&sessions[0], fds) : run_for_seconds(sessions, fds);
	printf("{\"ios\": %llu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": "
	       "%llu}\n",
	       (unsigned long long)ios, (double)took / 1e9, percentile(0.5), percentile(0.99),
	       (unsigned long long)errors);
	return 0;
}
