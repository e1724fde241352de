/* SPDX-License-Identifier: MIT */
/* What a login knows so far; shared by login.c and security.c. */
#ifndef TGT_ISCSI_LOGIN_STATE_H
#define TGT_ISCSI_LOGIN_STATE_H

#include "iscsi/chap.h"
#include "iscsi/login.h"
#include "iscsi/params.h"
#include "iscsi/session.h"
#include "util/cleanup.h"

enum login_stage { STAGE_SECURITY = 0, STAGE_OPERATIONAL = 1, STAGE_FULL_FEATURE = 3 };

#define PAIRS_MAX 512u

struct pair {
	char *key, *value;
};

/* The keys of one request. */
struct pairs {
	unsigned count;
	struct pair at[PAIRS_MAX];
};

/* NULL: it isn't there. */
const char *pair_value(const struct pairs *pairs, const char *key);

enum chap_step {
	CHAP_METHOD,    /* AuthMethod is awaited */
	CHAP_ALGORITHM, /* CHAP_A is */
	CHAP_RESPONSE,  /* CHAP_N and CHAP_R are */
	CHAP_DONE,
};

struct login {
	struct conn *conn;
	struct iscsi_target *target; /* NULL: discovery, or not yet known */
	bool identified, discovery, needs_chap, authenticated;
	uint8_t stage; /* enum login_stage */
	uint8_t isid[ISID_LEN];
	uint16_t tsih;
	uint32_t itt;
	unsigned rounds;
	const char *why; /* for the log, rather than the status's general text */
	/* CHAP */
	uint8_t chap_step; /* enum chap_step */
	uint8_t chap_identifier;
	unsigned chap_algorithm;
	uint8_t chap_challenge[CHAP_CHALLENGE];
	/* a request that takes several PDUs */
	char *text;
	size_t text_len;
	/* the final response, while a former session ends */
	struct list wait_link; /* in session.waiters */
	struct timer patience;
	char *kept; /* its text */
	size_t kept_len;
	struct negotiation nego;
	char initiator[ISCSI_NAME_MAX + 1];
	char target_name[ISCSI_NAME_MAX + 1];
	char alias[256];
};

/* AuthMethod and CHAP's keys: not negotiated by the table. */
bool security_key(const char *key);
/* The security stage's part of a request: status, and whether the initiator may leave the stage. */
unsigned security_process(struct login *l, const struct pairs *pairs, struct text_out *out,
			  bool *transit);

#endif
