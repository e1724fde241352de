/* SPDX-License-Identifier: MIT */
/* The memory of a cartridge as a store hands it over, and attribute lists of WRITE ATTRIBUTE. */
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scsi/mam.h"
#include "util/bytes.h"

static struct mam mam, again;
static uint8_t blob[MAM_BLOB_MAX];

/* What is decoded is encoded to the same, and its attributes can be listed. */
static void look_at(void)
{
	static uint8_t reply[MAM_REPLY_MAX];
	struct tgt_bs_tape_info tape = {.nr_partitions = 1};
	struct mam_view view = {.mam = &mam, .tape = &tape};
	size_t len = mam_encode(&mam, blob);

	must(len <= MAM_BLOB_MAX && mam_decode(&again, blob, len));
	must(again.host_len == mam.host_len && !memcmp(again.host, mam.host, mam.host_len));
	must(mam_put_values(&view, 0, reply, sizeof(reply)) <= sizeof(reply));
	must(mam_put_list(&view, 0, reply, sizeof(reply)) <= sizeof(reply));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t field = 0;

	if (size >= 4 && size <= MAM_BLOB_MAX) {
		/* once as it is, and once with the checksum that it should have */
		must(!mam_decode(&mam, data, size) || size > MAM_FIXED);
		memcpy(blob, data, size);
		put_be32(blob + size - 4, crc32_iscsi(blob, (int)size - 4, ~0u));
		if (mam_decode(&mam, blob, size))
			look_at();
	}
	mam_init(&mam, "FUZZ");
	if (mam_write(&mam, 0, data, size, &field) == MAM_DONE)
		look_at();
	else
		must(field <= size);
	return 0;
}
