/* SPDX-License-Identifier: MIT */
/*
 * A TCP connection: receiving and parsing on one side, the queue of what is to be sent on the
 * other.  It belongs to one reactor at a time: the control reactor until login ends (and for
 * discovery sessions), the session's from then on.
 */
#ifndef TGT_ISCSI_CONN_H
#define TGT_ISCSI_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "iscsi/pdu.h"
#include "reactor/bufpool.h"
#include "reactor/reactor.h"
#include "util/list.h"

struct conn;
struct iscsi_task;
struct login;
struct session;
struct text_exchange;

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/*
 * What a connection may do in one turn of the loop; the rest waits for the next one, so that one
 * that moves much doesn't keep the reactor from the others.  Alone it may do more: the longer its
 * turns, the fewer they are.
 */
#define TURN_BYTES (128u << 10)
#define TURN_BYTES_ALONE (1u << 20)

struct budget {
	uint32_t turn;
	uint32_t whole; /* bytes, of that turn */
	int64_t left;
};

/* What there is for one turn.  On the reactor's thread. */
uint32_t turn_bytes(const struct reactor *reactor);

static inline bool budget_is_left(struct budget *budget, const struct reactor *reactor)
{
	uint32_t turn = reactor_turn(reactor);

	if (budget->turn != turn) {
		const uint32_t whole = turn_bytes(reactor);

		*budget = (struct budget){turn, whole, whole};
	}
	return budget->left > 0;
}

/* ---- sending ---- */

struct tx_item;
struct tx_ops {
	/* Puts the item's next PDUs into the batch while tx_room(); true: it was the last one. */
	bool (*build)(struct conn *conn, struct tx_item *item);
	/* All of it was sent, or the connection is gone: the item's memory is free again. */
	void (*sent)(struct conn *conn, struct tx_item *item);
};

/* Something to be sent, embedded. */
struct tx_item {
	struct list link;
	const struct tx_ops *ops;
	uint64_t end; /* its last byte's place in the stream, once built */
};

/* A header, its digest, the data's padding and their digest. */
#define TX_SLOT 64u

struct tx {
	struct list pending; /* tx_items not yet (wholly) built */
	struct list built;   /* tx_items whose last byte is in the batch */
	struct iovec *iov;
	uint8_t (*slots)[TX_SLOT];
	uint16_t nr_slots, used_slots;
	uint16_t nr_iov, first_iov, last_iov;
	uint64_t position, sent; /* bytes built, bytes sent */
	struct budget budget;
	uint32_t most;   /* bytes of one batch */
	uint32_t statsn; /* the next one */
	bool header_digest, data_digest;
	bool blocked; /* the socket is full */
	unsigned
	    nr_replies; /* struct reply queued: bounds what a peer that doesn't read can pile up */
};

/* A PDU that isn't a SCSI task's, allocated. */
struct reply {
	struct tx_item item;
	uint8_t bhs[BHS_LEN];
	bool takes_statsn;
	bool closes; /* the connection closes once it is sent */
	uint32_t len;
	uint8_t data[];
};

/* ---- receiving ---- */

enum rx_state { RX_HEADER, RX_DATA, RX_TAIL };

struct rx {
	uint8_t *buf;
	uint32_t size, start, end;
	uint8_t state;
	bool header_digest, data_digest;
	bool small_reads;  /* large data segments come: leave them to be received in place */
	uint32_t max_data; /* MaxRecvDataSegmentLength that was declared */
	/* the PDU at hand */
	uint8_t bhs[BHS_LEN];
	uint8_t ahs_cdb[16]; /* of an extended CDB */
	uint8_t ahs_cdb_len;
	uint32_t bidi_length;
	uint32_t data_left; /* of its data segment */
	uint32_t tail;      /* padding and digest behind it */
	uint32_t crc;
	bool whole;   /* the data segment was checked before the PDU was begun */
	bool ignored; /* nobody hears of its end */
	/* where the data go: to sink, then the rest is thrown away; or all to flat */
	struct databuf *sink;
	uint32_t sink_offset, sink_left;
	uint8_t *flat;
	uint32_t flat_len;
	struct iscsi_task *task; /* whose data they are */
	struct budget budget;    /* Data-In that the commands of this turn asked for */
};

enum conn_phase { CONN_LOGIN, CONN_HANDOVER, CONN_DISCOVERY, CONN_FULL, CONN_LOGOUT, CONN_CLOSED };

struct conn {
	struct fd_watch watch;
	struct reactor *reactor;
	struct session *session; /* CONN_FULL, CONN_LOGOUT */
	uint8_t phase;           /* enum conn_phase */
	bool paused;             /* too much is queued to be sent: nothing is read */
	bool stopped;            /* nothing is read any more */
	bool parsing;
	bool yielded; /* what came waits for the next turn */
	bool heard;   /* something came since this was last cleared */
	uint16_t cid;
	unsigned nr_rejects;
	uint32_t cmdsn; /* the next one, before there is a session and for discovery */
	struct rx rx;
	struct tx tx;
	struct deferred flush;
	struct deferred again; /* in the next turn */
	struct deferred destroy;
	struct deferred move;  /* to the session's reactor */
	struct timer stall;    /* runs while the socket is full */
	struct message arrive; /* there */
	struct list link;      /* control reactor: login and discovery connections */
	struct login *login;
	struct text_exchange *text; /* a text exchange that spans PDUs */
	uint32_t max_xmit; /* the initiator's MaxRecvDataSegmentLength, at most the limit */
	uint32_t max_xmit_limit;
	struct timer deadline; /* login; then a discovery session that does nothing */
	const char *initiator; /* for log lines; "" before it is known */
	union address peer, local;
	uint16_t portal_group;         /* the tag of the portal that it came to */
	char address[64];              /* the peer's, without port */
	char discovery_initiator[224]; /* discovery sessions: what initiator points at */
};

/* Takes the socket; NULL: out of memory.  Control reactor. */
struct conn *conn_create(int fd, const union address *peer);
/* Receive buffer and send batch for the full feature phase; false: out of memory. */
bool conn_enlarge(struct conn *conn);
/* Begins to listen to the socket on the calling reactor. */
bool conn_attach(struct conn *conn);
/* Stops that, so that another reactor can have the connection. */
void conn_detach(struct conn *conn);
/* Closes; why goes to the log (NULL: nothing).  The memory goes at the end of the turn. */
void conn_close(struct conn *conn, const char *why);
/* Goes on in the next turn. */
void conn_yield(struct conn *conn);
/* Reads nothing any more: it is about to end. */
void conn_stop_reading(struct conn *conn);
/* Connections on the control reactor: logging in, or discovery sessions. */
struct list *control_conns(void);
unsigned control_conns_count(void);

static inline bool conn_is_open(const struct conn *conn)
{
	return conn->phase != CONN_CLOSED;
}

/* rx.c: what has arrived, PDU by PDU. */
void rx_readable(struct conn *conn);
void rx_process(struct conn *conn);
/* The data of the PDU at hand go nowhere any more (the task has ended). */
static inline void rx_discard(struct rx *rx)
{
	rx->sink = NULL;
	rx->sink_left = 0;
}

/* tx.c */
bool tx_init(struct tx *tx, unsigned slots);
void tx_free(struct tx *tx);
void tx_queue(struct conn *conn, struct tx_item *item);
/* Ends every item, sent or not. */
void tx_drop_all(struct conn *conn);
void tx_flush(struct conn *conn);
/* The socket takes more. */
void tx_writable(struct conn *conn);
static inline bool tx_idle(const struct tx *tx)
{
	return list_empty(&tx->pending) && list_empty(&tx->built);
}

#define TX_IOV_PER_PDU 6u /* header, data in at most three pieces, tail, one spare */
static inline bool tx_room(const struct tx *tx)
{
	return tx->used_slots < tx->nr_slots && tx->last_iov + TX_IOV_PER_PDU <= tx->nr_iov &&
	       tx->position - tx->sent < tx->most;
}
/* A zeroed header to fill; then one of the next two.  Only while tx_room(). */
uint8_t *tx_header(struct tx *tx);
void tx_pdu(struct tx *tx, uint8_t *bhs, const struct databuf *buf, uint32_t offset, uint32_t len);
void tx_pdu_flat(struct tx *tx, uint8_t *bhs, const uint8_t *data, uint32_t len);

/* NULL: out of memory (the connection is closed then).  data may be NULL. */
struct reply *reply_create(struct conn *conn, unsigned opcode, unsigned flags, uint32_t itt,
			   const void *data, size_t len);
void reply_queue(struct conn *conn, struct reply *reply);
/* Rejects the PDU at hand (11.17): its header comes back to the initiator. */
void conn_reject(struct conn *conn, const uint8_t *bhs, enum reject_reason reason);

/* ExpCmdSN and MaxCmdSN into a header. */
void conn_put_window(const struct conn *conn, uint8_t *bhs);
void conn_set_events(struct conn *conn);

/* A log line about the connection: "initiator NAME at ADDRESS, target NAME: ...". */
void conn_log(const struct conn *conn, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
