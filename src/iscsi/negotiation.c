/* SPDX-License-Identifier: MIT */
#include <strings.h>
#include <string.h>

#include "iscsi/params.h"
#include "util/cleanup.h"

enum rule {
	RULE_DECLARE, /* each side states its own */
	RULE_MIN,
	RULE_MAX,
	RULE_AND,
	RULE_OR,
	RULE_LIST,       /* the first item of the offer that this side supports */
	RULE_NO,         /* an extension that isn't here: always No */
	RULE_REJECT,     /* RFC 7143 13.22: obsoleted, answered Reject */
	RULE_IRRELEVANT, /* iSER's (RFC 7145 6), on TCP */
};

enum key_state {
	STATE_DEFAULT,
	STATE_OFFERED, /* by this side; its answer is awaited */
	STATE_DONE,
};
#define STATE_MASK 3u
#define STATE_OWN_SENT 4u /* declarative: this side has said its value */

#define ROW_NOT_DISCOVERY 1u /* irrelevant when SessionType=Discovery */
#define ROW_FULL_FEATURE 2u  /* may be negotiated in the full feature phase */
#define NO_PARAM 0xff

struct key_row {
	const char *name;
	uint8_t rule;
	uint8_t flags;
	uint8_t param; /* the target's parameter that says what this side wants */
	uint32_t min, max, initial;
	const char *const *items; /* RULE_LIST: by value, NULL-terminated */
};

static const char *const digest_items[] = {"None", "CRC32C", NULL};
static const char *const reporting_items[] = {"RFC3720", "ResponseFence", NULL};

#define NUMBER(key, rule, flags, param, min, max, initial)                                         \
	{                                                                                          \
		key, rule, flags, param, min, max, initial, NULL                                   \
	}
#define BOOLEAN(key, rule, flags, param, initial) NUMBER(key, rule, flags, param, 0, 1, initial)
#define LIST(key, flags, param, items)                                                             \
	{                                                                                          \
		key, RULE_LIST, flags, param, 0, 0, 0, items                                       \
	}
#define BURST_MIN 512u

static const struct key_row rows[NR_KEYS] = {
    [KEY_HEADER_DIGEST] = LIST("HeaderDigest", 0, PARAM_HEADER_DIGEST, digest_items),
    [KEY_DATA_DIGEST] = LIST("DataDigest", 0, PARAM_DATA_DIGEST, digest_items),
    [KEY_MAX_CONNECTIONS] =
	NUMBER("MaxConnections", RULE_MIN, ROW_NOT_DISCOVERY, PARAM_MAX_CONNECTIONS, 1, 65535, 1),
    [KEY_INITIAL_R2T] = BOOLEAN("InitialR2T", RULE_OR, ROW_NOT_DISCOVERY, PARAM_INITIAL_R2T, 1),
    [KEY_IMMEDIATE_DATA] =
	BOOLEAN("ImmediateData", RULE_AND, ROW_NOT_DISCOVERY, PARAM_IMMEDIATE_DATA, 1),
    [KEY_MAX_RECV_DSL] = NUMBER("MaxRecvDataSegmentLength", RULE_DECLARE, ROW_FULL_FEATURE,
				PARAM_TARGET_RECV_DSL, BURST_MIN, 0xffffff, 8192),
    [KEY_MAX_BURST] = NUMBER("MaxBurstLength", RULE_MIN, ROW_NOT_DISCOVERY, PARAM_MAX_BURST,
			     BURST_MIN, 0xffffff, 262144),
    [KEY_FIRST_BURST] = NUMBER("FirstBurstLength", RULE_MIN, ROW_NOT_DISCOVERY, PARAM_FIRST_BURST,
			       BURST_MIN, 0xffffff, 65536),
    [KEY_TIME2WAIT] = NUMBER("DefaultTime2Wait", RULE_MAX, 0, PARAM_TIME2WAIT, 0, 3600, 2),
    [KEY_TIME2RETAIN] = NUMBER("DefaultTime2Retain", RULE_MIN, 0, PARAM_TIME2RETAIN, 0, 3600, 20),
    [KEY_MAX_OUTSTANDING_R2T] = NUMBER("MaxOutstandingR2T", RULE_MIN, ROW_NOT_DISCOVERY,
				       PARAM_MAX_OUTSTANDING_R2T, 1, 65535, 1),
    [KEY_DATA_PDU_IN_ORDER] =
	BOOLEAN("DataPDUInOrder", RULE_OR, ROW_NOT_DISCOVERY, PARAM_DATA_PDU_IN_ORDER, 1),
    [KEY_DATA_SEQUENCE_IN_ORDER] =
	BOOLEAN("DataSequenceInOrder", RULE_OR, ROW_NOT_DISCOVERY, PARAM_DATA_SEQUENCE_IN_ORDER, 1),
    [KEY_ERROR_RECOVERY_LEVEL] =
	NUMBER("ErrorRecoveryLevel", RULE_MIN, 0, PARAM_ERROR_RECOVERY_LEVEL, 0, 2, 0),
    [KEY_TASK_REPORTING] = LIST("TaskReporting", ROW_NOT_DISCOVERY, NO_PARAM, reporting_items),
    [KEY_PROTOCOL_LEVEL] =
	NUMBER("iSCSIProtocolLevel", RULE_MIN, ROW_NOT_DISCOVERY, NO_PARAM, 0, 31, 1),
    [KEY_IF_MARKER] = BOOLEAN("IFMarker", RULE_NO, 0, NO_PARAM, 0),
    [KEY_OF_MARKER] = BOOLEAN("OFMarker", RULE_NO, 0, NO_PARAM, 0),
    [KEY_IF_MARK_INT] = NUMBER("IFMarkInt", RULE_REJECT, 0, NO_PARAM, 0, 0, 0),
    [KEY_OF_MARK_INT] = NUMBER("OFMarkInt", RULE_REJECT, 0, NO_PARAM, 0, 0, 0),
    [KEY_RDMA_EXTENSIONS] = BOOLEAN("RDMAExtensions", RULE_NO, ROW_NOT_DISCOVERY, NO_PARAM, 0),
    [KEY_TARGET_RECV_DSL] =
	NUMBER("TargetRecvDataSegmentLength", RULE_IRRELEVANT, 0, NO_PARAM, 0, 0, 0),
    [KEY_INITIATOR_RECV_DSL] =
	NUMBER("InitiatorRecvDataSegmentLength", RULE_IRRELEVANT, 0, NO_PARAM, 0, 0, 0),
    [KEY_MAX_UNEXPECTED_PDUS] =
	NUMBER("MaxOutstandingUnexpectedPDUs", RULE_IRRELEVANT, 0, NO_PARAM, 0, 0, 0),
};

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

/* What this implementation can do bounds what the operator asked for. */
static void cap_own(struct negotiation *n)
{
	n->own[KEY_MAX_CONNECTIONS] = 1;
	n->own[KEY_ERROR_RECOVERY_LEVEL] = 0;
	n->own[KEY_DATA_PDU_IN_ORDER] = 1;
	n->own[KEY_DATA_SEQUENCE_IN_ORDER] = 1;
	n->own[KEY_TASK_REPORTING] = REPORTING_RESPONSE_FENCE;
	n->own[KEY_PROTOCOL_LEVEL] = 2; /* RFC 7144 */
	n->own[KEY_MAX_OUTSTANDING_R2T] = at_most(n->own[KEY_MAX_OUTSTANDING_R2T], MAX_R2T_LIMIT);
	n->own[KEY_FIRST_BURST] = at_most(n->own[KEY_FIRST_BURST], n->own[KEY_MAX_BURST]);
}

void negotiation_init(struct negotiation *n, const struct iscsi_target *target)
{
	memset(n, 0, sizeof(*n));
	n->discovery = !target;
	for (unsigned i = 0; i < NR_KEYS; i++) {
		const struct key_row *row = &rows[i];

		n->value[i] = row->initial;
		n->own[i] = row->initial;
		if (target && row->param != NO_PARAM)
			n->own[i] = target->params[row->param];
	}
	/* stgt's name for what the target declares; it wins when the operator has set it */
	if (target && target->params[PARAM_MAX_RECV_DSL] != rows[KEY_MAX_RECV_DSL].initial)
		n->own[KEY_MAX_RECV_DSL] = target->params[PARAM_MAX_RECV_DSL];
	cap_own(n);
}

static bool is_answer_word(const char *value)
{
	return !strcmp(value, "Reject") || !strcmp(value, "Irrelevant") ||
	       !strcmp(value, "NotUnderstood");
}

static bool is_boolean(const struct key_row *row)
{
	return row->rule == RULE_AND || row->rule == RULE_OR || row->rule == RULE_NO;
}

static int list_index(const struct key_row *row, const char *item)
{
	for (int i = 0; row->items[i]; i++) {
		if (!strcmp(row->items[i], item))
			return i;
	}
	return -1;
}

/* The first item that this side has too; an operator's CRC32C outranks the initiator's order. */
static int choose_from_list(const struct key_row *row, uint32_t own, const char *value)
{
	char item[64];
	int chosen = -1;

	while (text_list_next(&value, item, sizeof(item))) {
		int index = list_index(row, item);

		if (index >= 0 && (chosen < 0 || (uint32_t)index == own))
			chosen = chosen < 0 || own ? index : chosen;
	}
	return chosen;
}

/* The offered value as a number in the row's range. */
static bool parse_value(const struct key_row *row, const char *value, uint32_t *number)
{
	uint64_t n;

	if (is_boolean(row)) {
		*number = !strcmp(value, "Yes");
		return *number || !strcmp(value, "No");
	}
	if (!text_number(value, row->max, &n) || n < row->min)
		return false;
	*number = (uint32_t)n;
	return true;
}

static uint32_t combine(const struct key_row *row, uint32_t offered, uint32_t own)
{
	switch (row->rule) {
	case RULE_MIN:
	case RULE_AND:
		return at_most(offered, own);
	case RULE_MAX:
	case RULE_OR:
		return offered > own ? offered : own;
	default:
		return 0;
	}
}

static void say(const struct key_row *row, uint32_t value, struct text_out *out)
{
	if (row->items)
		text_add(out, row->name, row->items[value]);
	else if (is_boolean(row))
		text_add(out, row->name, value ? "Yes" : "No");
	else
		text_add_number(out, row->name, value);
}

static enum nego_result take_answer(struct negotiation *n, unsigned key, const char *value)
{
	const struct key_row *row = &rows[key];
	uint32_t number;
	int index;

	n->state[key] = STATE_DONE;
	if (is_answer_word(value))
		return NEGO_OK; /* 6.2: the default stays */
	if (row->items) {
		index = list_index(row, value);
		if (index < 0)
			return NEGO_UNLAWFUL;
		n->value[key] = (uint32_t)index;
		return NEGO_OK;
	}
	if (!parse_value(row, value, &number) || combine(row, number, n->own[key]) != number)
		return NEGO_UNLAWFUL;
	n->value[key] = number;
	return NEGO_OK;
}

static void answer_list(struct negotiation *n, unsigned key, const char *value,
			struct text_out *out)
{
	const struct key_row *row = &rows[key];
	int index = choose_from_list(row, n->own[key], value);

	if (index < 0) {
		text_add(out, row->name, "Reject");
		return;
	}
	n->value[key] = (uint32_t)index;
	say(row, (uint32_t)index, out);
}

/* 13.14: FirstBurstLength must not exceed MaxBurstLength. */
static uint32_t own_value(const struct negotiation *n, unsigned key)
{
	return key == KEY_FIRST_BURST ? at_most(n->own[key], n->value[KEY_MAX_BURST]) : n->own[key];
}

/* 6.2.2: for a key that is stated, not negotiated, Reject would be no answer. */
static enum nego_result take_declaration(struct negotiation *n, unsigned key, const char *value)
{
	uint32_t number;

	if (!parse_value(&rows[key], value, &number))
		return NEGO_UNLAWFUL;
	n->value[key] = number;
	return NEGO_OK;
}

static void answer_offer(struct negotiation *n, unsigned key, const char *value,
			 struct text_out *out)
{
	const struct key_row *row = &rows[key];
	uint32_t number;

	if (row->rule == RULE_REJECT) {
		text_add(out, row->name, "Reject");
		return;
	}
	if (row->rule == RULE_IRRELEVANT || (n->discovery && (row->flags & ROW_NOT_DISCOVERY))) {
		text_add(out, row->name, "Irrelevant");
		return;
	}
	if (row->items) {
		answer_list(n, key, value, out);
		return;
	}
	if (!parse_value(row, value, &number)) {
		text_add(out, row->name, "Reject");
		return;
	}
	n->value[key] = combine(row, number, own_value(n, key));
	say(row, n->value[key], out);
}

static int find_key(const char *name)
{
	for (int i = 0; i < NR_KEYS; i++) {
		if (!strcmp(rows[i].name, name))
			return i;
	}
	return -1;
}

enum nego_result negotiation_key(struct negotiation *n, const char *name, const char *value,
				 struct text_out *out)
{
	int key = find_key(name);

	if (key < 0)
		return NEGO_UNKNOWN;
	if ((n->state[key] & STATE_MASK) == STATE_DONE)
		return NEGO_TWICE;
	if ((n->state[key] & STATE_MASK) == STATE_OFFERED)
		return take_answer(n, (unsigned)key, value);
	n->state[key] = (uint8_t)((n->state[key] & STATE_OWN_SENT) | STATE_DONE);
	if (rows[key].rule == RULE_DECLARE)
		return take_declaration(n, (unsigned)key, value);
	answer_offer(n, (unsigned)key, value, out);
	return NEGO_OK;
}

/* Whether leaving the key at its default would not be what this side wants. */
static bool must_offer(const struct negotiation *n, unsigned key)
{
	const struct key_row *row = &rows[key];
	uint32_t initial = row->initial;

	if (n->state[key] || n->discovery || row->rule >= RULE_NO || row->items)
		return false;
	return combine(row, initial, n->own[key]) != initial;
}

bool negotiation_offer(struct negotiation *n, struct text_out *out)
{
	bool open = false;

	if (!(n->state[KEY_MAX_RECV_DSL] & STATE_OWN_SENT)) {
		n->state[KEY_MAX_RECV_DSL] |= STATE_OWN_SENT;
		text_add_number(out, rows[KEY_MAX_RECV_DSL].name, n->own[KEY_MAX_RECV_DSL]);
	}
	for (unsigned key = 0; key < NR_KEYS; key++) {
		if (rows[key].rule != RULE_DECLARE && must_offer(n, key)) {
			n->state[key] = STATE_OFFERED;
			say(&rows[key], n->own[key], out);
		}
		open = open || (n->state[key] & STATE_MASK) == STATE_OFFERED;
	}
	return open;
}

enum nego_result negotiation_key_full_feature(struct negotiation *n, const char *name,
					      const char *value, struct text_out *out)
{
	int key = find_key(name);
	uint32_t number;

	if (key < 0)
		return NEGO_UNKNOWN;
	if (!(rows[key].flags & ROW_FULL_FEATURE) || !parse_value(&rows[key], value, &number))
		text_add(out, name, "Reject");
	else
		n->value[key] = number;
	return NEGO_OK;
}
