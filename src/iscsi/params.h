/* SPDX-License-Identifier: MIT */
/*
 * What can be set on a target, and the negotiation of operational keys (RFC 7143 6.2, 13) by one
 * table: key, rule, range, default, scope.
 */
#ifndef TGT_ISCSI_PARAMS_H
#define TGT_ISCSI_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/control.h"
#include "iscsi/text.h"

/* A target's parameters, in stgt's order: indexes of iscsi_target.params. */
enum target_param {
	PARAM_NOP_INTERVAL,
	PARAM_NOP_COUNT,
	PARAM_MAX_RECV_DSL,
	PARAM_HEADER_DIGEST,
	PARAM_DATA_DIGEST,
	PARAM_INITIAL_R2T,
	PARAM_MAX_OUTSTANDING_R2T,
	PARAM_IMMEDIATE_DATA,
	PARAM_FIRST_BURST,
	PARAM_MAX_BURST,
	PARAM_DATA_PDU_IN_ORDER,
	PARAM_DATA_SEQUENCE_IN_ORDER,
	PARAM_ERROR_RECOVERY_LEVEL,
	PARAM_IF_MARKER,
	PARAM_OF_MARKER,
	PARAM_TIME2WAIT,
	PARAM_TIME2RETAIN,
	PARAM_OF_MARK_INT,
	PARAM_IF_MARK_INT,
	PARAM_MAX_CONNECTIONS,
	PARAM_RDMA_EXTENSIONS,
	PARAM_TARGET_RECV_DSL,
	PARAM_INITIATOR_RECV_DSL,
	PARAM_MAX_UNEXPECTED_PDUS,
	PARAM_MAX_XMIT_DSL,
	PARAM_MAX_QUEUE_CMD,
};

void params_set_defaults(uint32_t *params);

/* Operational keys; indexes of the table and of struct negotiation. */
enum key {
	KEY_HEADER_DIGEST,
	KEY_DATA_DIGEST,
	KEY_MAX_CONNECTIONS,
	KEY_INITIAL_R2T,
	KEY_IMMEDIATE_DATA,
	KEY_MAX_RECV_DSL, /* value: the initiator's; own: what the target declares */
	KEY_MAX_BURST,
	KEY_FIRST_BURST,
	KEY_TIME2WAIT,
	KEY_TIME2RETAIN,
	KEY_MAX_OUTSTANDING_R2T,
	KEY_DATA_PDU_IN_ORDER,
	KEY_DATA_SEQUENCE_IN_ORDER,
	KEY_ERROR_RECOVERY_LEVEL,
	KEY_TASK_REPORTING,
	KEY_PROTOCOL_LEVEL,
	KEY_IF_MARKER,
	KEY_OF_MARKER,
	KEY_IF_MARK_INT,
	KEY_OF_MARK_INT,
	KEY_RDMA_EXTENSIONS,
	KEY_TARGET_RECV_DSL,
	KEY_INITIATOR_RECV_DSL,
	KEY_MAX_UNEXPECTED_PDUS,
	NR_KEYS
};

enum digest { DIGEST_NONE, DIGEST_CRC32C };
enum task_reporting { REPORTING_RFC3720, REPORTING_RESPONSE_FENCE };

#define MAX_R2T_LIMIT 8u /* the most R2Ts that one command may have outstanding here */

struct negotiation {
	bool discovery;
	uint32_t value[NR_KEYS]; /* the result; before it, the default */
	uint32_t own[NR_KEYS];   /* what this side wants */
	uint8_t state[NR_KEYS];  /* enum key_state */
};

/* Defaults of RFC 7143 13; target NULL for a discovery session. */
void negotiation_init(struct negotiation *n, const struct iscsi_target *target);

enum nego_result {
	NEGO_OK,
	NEGO_UNKNOWN,  /* not an operational key */
	NEGO_TWICE,    /* the key was negotiated before: a protocol error (6.2) */
	NEGO_UNLAWFUL, /* a value that the key, or this side's offer, doesn't allow */
};
/* One key from the initiator; the answer, if one is due, goes to out. */
enum nego_result negotiation_key(struct negotiation *n, const char *key, const char *value,
				 struct text_out *out);
/* Declares what must be declared and offers what this side wants other than the default and the
 * initiator has not brought up.  True: an offer was made now or before that has no answer yet. */
bool negotiation_offer(struct negotiation *n, struct text_out *out);
/* A key in the full feature phase (13: use FFPO or ALL); others are answered Reject. */
enum nego_result negotiation_key_full_feature(struct negotiation *n, const char *key,
					      const char *value, struct text_out *out);

#endif
