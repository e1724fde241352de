/* SPDX-License-Identifier: MIT */
/* Additional header segments (RFC 7143 11.2.2), and the arithmetic on a basic header. */
#include <stdlib.h>

#include "fuzz.h"
#include "iscsi/pdu.h"

#define CDB_ROOM 16u

static void parse_ahs(const uint8_t *ahs, size_t len)
{
	uint8_t *cdb = malloc(CDB_ROOM);
	size_t extra;
	uint32_t bidi = 0;

	must(cdb);
	if (pdu_parse_ahs(ahs, len, cdb, CDB_ROOM, &extra, &bidi)) {
		must(len % 4 == 0);
		must(extra <= len);
	}
	free(cdb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	uint8_t *bhs = fuzz_copy(&in, BHS_LEN, &len), *ahs;

	if (len == BHS_LEN) {
		must(pdu_data_len(bhs) <= DATA_SEGMENT_MAX);
		must((pdu_data_len(bhs) + pdu_padding(pdu_data_len(bhs))) % 4 == 0);
		must(pdu_ahs_len(bhs) <= AHS_MAX);
		pdu_has_cmdsn(pdu_opcode(bhs));
		ahs = fuzz_copy(&in, pdu_ahs_len(bhs), &len);
		parse_ahs(ahs, len);
		free(ahs);
	}
	free(bhs);
	return 0;
}
