/* SPDX-License-Identifier: MIT */
/*
 * The iSCSI side in one process: a target with a disk on a store that completes when it is told to,
 * a portal, and an initiator on the same thread.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_ISCSI_FIXTURE_H
#define TGT_TESTS_ISCSI_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "iscsi/control.h"
#include "iscsi/pdu.h"
#include "iscsi/portal.h"
#include "iscsi/session.h"
#include "scsi/commands.h"
#include "util/cleanup.h"

#define NAME "iqn.2026-01.org.example:session"
#define BLOCKS 4096u
#define MAX_HELD 64
#define HANG_MS 12000 /* more than any patience of the code under test */

/* ---- the store ---- */

static const struct tgt_bs_host *host;
static struct tgt_bs_request *held[MAX_HELD];
static unsigned nr_held;
static bool hold;
static uint8_t medium[BLOCKS * 512];

static inline int fake_open(const struct tgt_bs_open_args *args, void **store, char *error,
			    size_t size)
{
	(void)args, (void)error, (void)size;
	*store = medium;
	return 0;
}

static inline void fake_close(void *store)
{
	(void)store;
}

static inline int fake_geometry(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = sizeof(medium);
	return 0;
}

static inline void move(struct tgt_bs_request *r)
{
	uint64_t at = r->offset;

	for (unsigned i = 0; i < r->iovcnt; i++) {
		if (r->op == TGT_BS_WRITE)
			memcpy(medium + at, r->iov[i].iov_base, r->iov[i].iov_len);
		else if (r->op == TGT_BS_READ)
			memcpy(r->iov[i].iov_base, medium + at, r->iov[i].iov_len);
		at += r->iov[i].iov_len;
	}
}

static inline int fake_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)store, (void)channel;
	if (hold) {
		assert_true(nr_held < MAX_HELD);
		held[nr_held++] = r;
		return 0;
	}
	move(r);
	host->complete(r);
	return 0;
}

static struct store_module module = {
    .descriptor = {.struct_size = sizeof(struct tgt_bs_module),
		   .name = "fake",
		   .kind = TGT_BS_BLOCK,
		   .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH,
		   .thread_model = TGT_BS_REACTOR,
		   .open = fake_open,
		   .close = fake_close,
		   .geometry = fake_geometry,
		   .submit = fake_submit},
};

static inline void complete_all(void)
{
	unsigned count = nr_held;

	nr_held = 0;
	for (unsigned i = 0; i < count; i++) {
		move(held[i]);
		host->complete(held[i]);
	}
}

/* ---- the loop, until something holds ---- */

static inline void tick(struct timer *timer)
{
	reactor_quit(timer->reactor);
}

static inline void run_for(uint32_t ms)
{
	struct timer timer = {.fn = tick};

	reactor_timer_arm(reactor_self(), &timer, ms);
	reactor_run(reactor_self());
}

/* The condition is looked at once a turn, and not again when it holds. */
#define run_until(condition)                                                                       \
	do {                                                                                       \
		int left_ = HANG_MS;                                                               \
		while (!(condition)) {                                                             \
			assert_true(left_-- > 0);                                                  \
			run_for(1);                                                                \
		}                                                                                  \
	} while (0)

/* ---- an initiator ---- */

struct client {
	int fd;
	uint32_t cmdsn, itt;
	uint8_t in[320 << 10];
	size_t in_len;
	uint8_t bhs[BHS_LEN]; /* the PDU received last, and its data */
	uint8_t data[256 << 10];
	size_t data_len;
};

static uint16_t port;

static inline void client_connect(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1;

	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	memset(c, 0, sizeof(*c));
	c->cmdsn = c->itt = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static inline void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static inline void send_pdu(struct client *c, uint8_t *bhs, const void *data, size_t len)
{
	static const uint8_t zeros[4];

	put_be24(bhs + 5, (uint32_t)len);
	assert_int_equal(send(c->fd, bhs, BHS_LEN, MSG_NOSIGNAL), BHS_LEN);
	if (!len)
		return;
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), len);
	send(c->fd, zeros, pdu_padding((uint32_t)len), MSG_NOSIGNAL);
}

static inline bool closed_by_target(struct client *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Takes the next PDU out of what has come, if it is whole. */
static inline bool try_receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	size_t total;

	c->in_len += n > 0 ? (size_t)n : 0;
	if (c->in_len < BHS_LEN)
		return false;
	c->data_len = pdu_data_len(c->in);
	total = BHS_LEN + c->data_len + pdu_padding((uint32_t)c->data_len);
	if (c->in_len < total)
		return false;
	assert_true(c->data_len <= sizeof(c->data));
	memcpy(c->bhs, c->in, BHS_LEN);
	memcpy(c->data, c->in + BHS_LEN, c->data_len);
	c->in_len -= total;
	memmove(c->in, c->in + total, c->in_len);
	return true;
}

static inline void receive(struct client *c, unsigned opcode)
{
	run_until(try_receive(c));
	assert_int_equal(pdu_opcode(c->bhs), opcode);
}

static inline void send_login(struct client *c, uint8_t isid, const char *keys, size_t len)
{
	uint8_t bhs[BHS_LEN];
	char text[512] = "InitiatorName=iqn.2026-01.org.example:i\0SessionType=Normal\0"
			 "TargetName=" NAME;
	size_t at = sizeof("InitiatorName=iqn.2026-01.org.example:i\0SessionType=Normal\0"
			   "TargetName=" NAME);

	memcpy(text + at, keys, len);
	pdu_init(bhs, OP_LOGIN | PDU_IMMEDIATE, PDU_FINAL | 1 << 2 | 3, 7);
	bhs[8] = 0x80;
	bhs[9] = isid;
	put_be32(bhs + 24, c->cmdsn);
	send_pdu(c, bhs, text, at + len);
}
#define KEYS(text) text, sizeof(text)

static inline void client_login(struct client *c, uint8_t isid, const char *keys, size_t len)
{
	client_connect(c);
	send_login(c, isid, keys, len);
	receive(c, OP_LOGIN_RESPONSE);
	assert_int_equal(get_be16(c->bhs + 36), 0);
	assert_true(c->bhs[1] & PDU_FINAL);
}

/* A command to LUN 1; returns its initiator task tag. */
static inline uint32_t send_command(struct client *c, unsigned flags, const uint8_t *cdb,
				    uint32_t expected, const void *data, size_t len)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_SCSI_COMMAND, flags | ATTR_SIMPLE, c->itt);
	bhs[9] = 1;
	put_be32(bhs + 20, expected);
	put_be32(bhs + 24, c->cmdsn++);
	memcpy(bhs + 32, cdb, 10);
	send_pdu(c, bhs, data, len);
	return c->itt++;
}

static inline uint32_t send_rw(struct client *c, unsigned flags, uint32_t lba, uint16_t blocks,
			       const void *data, size_t len)
{
	uint8_t cdb[10] = {flags & CMD_WRITE ? 0x2a : 0x28};

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	return send_command(c, flags, cdb, blocks * 512u, data, len);
}

static inline uint32_t send_read(struct client *c, uint32_t lba, uint16_t blocks)
{
	return send_rw(c, PDU_FINAL | CMD_READ, lba, blocks, NULL, 0);
}

static inline void send_data_out(struct client *c, uint32_t itt, uint32_t ttt, uint32_t sn,
				 uint32_t offset, bool final, const uint8_t *data, size_t len)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_DATA_OUT, final ? PDU_FINAL : 0, itt);
	put_be32(bhs + 20, ttt);
	put_be32(bhs + 36, sn);
	put_be32(bhs + 40, offset);
	send_pdu(c, bhs, data + offset, len);
}

static inline void send_tmf(struct client *c, unsigned function, uint32_t itt, uint32_t ref_cmdsn)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_TASK_MANAGEMENT | PDU_IMMEDIATE, PDU_FINAL | function, c->itt++);
	bhs[9] = 1;
	put_be32(bhs + 20, itt);
	put_be32(bhs + 24, c->cmdsn);
	put_be32(bhs + 32, ref_cmdsn);
	send_pdu(c, bhs, NULL, 0);
}

static inline void send_nop(struct client *c)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_NOP_OUT | PDU_IMMEDIATE, PDU_FINAL, c->itt++);
	put_be32(bhs + 20, TAG_NONE);
	put_be32(bhs + 24, c->cmdsn);
	send_pdu(c, bhs, NULL, 0);
}

static inline void send_logout(struct client *c)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_LOGOUT | PDU_IMMEDIATE, PDU_FINAL, c->itt++);
	put_be32(bhs + 24, c->cmdsn);
	send_pdu(c, bhs, NULL, 0);
}

static inline void expect_status(struct client *c, uint32_t itt, uint8_t status)
{
	receive(c, OP_SCSI_RESPONSE);
	assert_int_equal(pdu_itt(c->bhs), itt);
	assert_int_equal(c->bhs[3], status);
}

/* Takes the unit attention of a new I_T nexus (SAM-5 5.14). */
static inline void clear_attention(struct client *c)
{
	static const uint8_t test_unit_ready[10];

	expect_status(c, send_command(c, PDU_FINAL, test_unit_ready, 0, NULL, 0),
		      STATUS_CHECK_CONDITION);
}

/* ---- fixture ---- */

static struct iscsi_target *target;
static struct lu *lu;
static bool flag;
static struct client a, b;

static inline void set_flag(void *arg)
{
	(void)arg;
	flag = true;
}

static inline void created(void *arg, struct lu *made, const char *error)
{
	(void)arg;
	assert_null(error);
	lu = made;
	flag = true;
}

static inline void make_target(uint32_t tid)
{
	struct lu_config config = {.lun = 1, .module = &module};

	assert_int_equal(iscsi_target_create(tid, NAME, &target), 0);
	assert_int_equal(iscsi_bind_address(target, "ALL"), 0);
	config.target = target->scsi;
	flag = false;
	lu_create(&config, created, NULL);
	run_until(flag);
	flag = false;
	target_publish_lu(target->scsi, lu, set_flag, NULL);
	run_until(flag);
}

static inline uint16_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static inline int start(void **state)
{
	char portal[32], error[128] = "";

	(void)state;
	host = store_host_table();
	hold = false;
	nr_held = 0;
	memset(medium, 0, sizeof(medium));
	opcode_init();
	if (reactors_start(1, 0) || workers_start(2))
		return -1;
	port = free_port();
	snprintf(portal, sizeof(portal), "127.0.0.1:%u", port);
	assert_int_equal(iscsi_portal_add(portal, 1, error, sizeof(error)), 0);
	make_target(1);
	a.fd = b.fd = -1;
	return 0;
}

static inline int stop(void **state)
{
	(void)state;
	client_close(&a);
	client_close(&b);
	hold = false;
	complete_all();
	run_until(!sessions_total());
	if (target) {
		flag = false;
		iscsi_target_delete(target, set_flag, NULL);
		run_until(flag);
	}
	portals_close();
	run_for(5);
	assert_true(list_empty(control_conns()));
	workers_stop(1000);
	assert_int_equal(reactors_stop(10000), 0);
	return 0;
}

static inline void pattern(uint8_t *data, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 512 + seed);
}

#endif
