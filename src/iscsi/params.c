/* SPDX-License-Identifier: MIT */
#include "iscsi/params.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

enum param_type { TYPE_NUMBER, TYPE_BOOLEAN, TYPE_DIGEST, TYPE_REJECT };

struct param_row {
	const char *name;
	enum param_type type;
	uint32_t min, max, initial;
};

#define SEGMENT_MAX 0xffffffu

/* Values that RFC 7143 allows and this implementation negotiates down (MaxConnections …) may be
 * set: users' configurations hold them. */
static const struct param_row rows[] = {
    [PARAM_NOP_INTERVAL] = {"nop_interval", TYPE_NUMBER, 0, 86400, 0},
    [PARAM_NOP_COUNT] = {"nop_count", TYPE_NUMBER, 0, 1000, 0},
    [PARAM_MAX_RECV_DSL] = {"MaxRecvDataSegmentLength", TYPE_NUMBER, 512, SEGMENT_MAX, 8192},
    [PARAM_HEADER_DIGEST] = {"HeaderDigest", TYPE_DIGEST, 0, 1, DIGEST_NONE},
    [PARAM_DATA_DIGEST] = {"DataDigest", TYPE_DIGEST, 0, 1, DIGEST_NONE},
    [PARAM_INITIAL_R2T] = {"InitialR2T", TYPE_BOOLEAN, 0, 1, 1},
    [PARAM_MAX_OUTSTANDING_R2T] = {"MaxOutstandingR2T", TYPE_NUMBER, 1, 65535, 1},
    [PARAM_IMMEDIATE_DATA] = {"ImmediateData", TYPE_BOOLEAN, 0, 1, 1},
    [PARAM_FIRST_BURST] = {"FirstBurstLength", TYPE_NUMBER, 512, SEGMENT_MAX, 65536},
    [PARAM_MAX_BURST] = {"MaxBurstLength", TYPE_NUMBER, 512, SEGMENT_MAX, 262144},
    [PARAM_DATA_PDU_IN_ORDER] = {"DataPDUInOrder", TYPE_BOOLEAN, 0, 1, 1},
    [PARAM_DATA_SEQUENCE_IN_ORDER] = {"DataSequenceInOrder", TYPE_BOOLEAN, 0, 1, 1},
    [PARAM_ERROR_RECOVERY_LEVEL] = {"ErrorRecoveryLevel", TYPE_NUMBER, 0, 2, 0},
    [PARAM_IF_MARKER] = {"IFMarker", TYPE_BOOLEAN, 0, 1, 0},
    [PARAM_OF_MARKER] = {"OFMarker", TYPE_BOOLEAN, 0, 1, 0},
    [PARAM_TIME2WAIT] = {"DefaultTime2Wait", TYPE_NUMBER, 0, 3600, 2},
    [PARAM_TIME2RETAIN] = {"DefaultTime2Retain", TYPE_NUMBER, 0, 3600, 20},
    [PARAM_OF_MARK_INT] = {"OFMarkInt", TYPE_REJECT, 1, 65535, 2048},
    [PARAM_IF_MARK_INT] = {"IFMarkInt", TYPE_REJECT, 1, 65535, 2048},
    [PARAM_MAX_CONNECTIONS] = {"MaxConnections", TYPE_NUMBER, 1, 65535, 1},
    [PARAM_RDMA_EXTENSIONS] = {"RDMAExtensions", TYPE_BOOLEAN, 0, 1, 1},
    [PARAM_TARGET_RECV_DSL] = {"TargetRecvDataSegmentLength", TYPE_NUMBER, 512, SEGMENT_MAX,
			       262144},
    [PARAM_INITIATOR_RECV_DSL] = {"InitiatorRecvDataSegmentLength", TYPE_NUMBER, 512, SEGMENT_MAX,
				  262144},
    [PARAM_MAX_UNEXPECTED_PDUS] = {"MaxOutstandingUnexpectedPDUs", TYPE_NUMBER, 0, UINT32_MAX, 0},
    [PARAM_MAX_XMIT_DSL] = {"MaxXmitDataSegmentLength", TYPE_NUMBER, 512, SEGMENT_MAX, 8192},
    [PARAM_MAX_QUEUE_CMD] = {"MaxQueueCmd", TYPE_NUMBER, 1, 512, 128},
};
_Static_assert(ARRAY_SIZE(rows) == ISCSI_NR_PARAMS, "a row for each parameter");

void params_set_defaults(uint32_t *params)
{
	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++)
		params[i] = rows[i].initial;
}

const char *iscsi_param_name(unsigned index)
{
	return index < ISCSI_NR_PARAMS ? rows[index].name : NULL;
}

void iscsi_param_format(const struct iscsi_target *target, unsigned index, char *out, size_t size)
{
	uint32_t value = target->params[index];

	switch (rows[index].type) {
	case TYPE_BOOLEAN:
		snprintf(out, size, "%s", value ? "Yes" : "No");
		break;
	case TYPE_DIGEST:
		snprintf(out, size, "%s", value == DIGEST_CRC32C ? "CRC32C" : "None");
		break;
	case TYPE_REJECT: /* obsoleted by RFC 7143 13.22: always answered so */
		snprintf(out, size, "Reject");
		break;
	default:
		snprintf(out, size, "%u", value);
		break;
	}
}

/* The first item of the list that is known, as in a login request. */
static bool parse_digest(const char *value, uint64_t *number)
{
	char item[16];

	while (text_list_next(&value, item, sizeof(item))) {
		*number = !strcmp(item, "CRC32C") ? DIGEST_CRC32C : DIGEST_NONE;
		if (*number || !strcmp(item, "None"))
			return true;
	}
	return false;
}

static bool parse_param(const struct param_row *row, const char *value, uint64_t *number)
{
	if (row->type == TYPE_DIGEST)
		return parse_digest(value, number);
	if (row->type == TYPE_BOOLEAN && (!strcmp(value, "Yes") || !strcmp(value, "No"))) {
		*number = value[0] == 'Y';
		return true;
	}
	return text_number(value, row->max, number) && *number >= row->min;
}

static const struct param_row *find_row(const char *name)
{
	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

bool iscsi_param_valid(const char *name, const char *value)
{
	const struct param_row *row = find_row(name);
	uint64_t number;

	return row && parse_param(row, value, &number);
}

int iscsi_param_set(struct iscsi_target *target, const char *name, const char *value)
{
	const struct param_row *row = find_row(name);
	uint64_t number;

	if (!row || !parse_param(row, value, &number))
		return -EINVAL;
	target->params[row - rows] = (uint32_t)number;
	return 0;
}
