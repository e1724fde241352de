/* SPDX-License-Identifier: MIT */
/*
 * Which device it is: vendor, product and type (SPC-5 6.7.2), and its designators as a logical unit
 * (7.7.6) or else its serial number (7.7.17).  A path alone doesn't say that: another disk may get
 * the number of the sg node that has become free.
 */
#include "sg.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000
#define PAGE_BYTES 252 /* what devices take that know one byte of ALLOCATION LENGTH only */
#define VPD_SERIAL 0x80
#define VPD_IDENTIFICATION 0x83

struct answer {
	uint8_t data[PAGE_BYTES];
	size_t len;
	struct sg_io_hdr header;
	int error;
};

static bool inquire(const struct sg_node *node, int page, struct answer *a)
{
	uint8_t cdb[6] = {0x12, page >= 0, page >= 0 ? (uint8_t)page : 0, 0, PAGE_BYTES, 0};
	uint8_t sense[32];

	memset(a, 0, sizeof(*a));
	if (page < 0)
		cdb[4] = 36; /* more than that makes some devices stumble */
	a->header = (struct sg_io_hdr){
	    .interface_id = 'S',
	    .dxfer_direction = SG_DXFER_FROM_DEV,
	    .cmd_len = sizeof(cdb),
	    .cmdp = cdb,
	    .dxfer_len = cdb[4],
	    .dxferp = a->data,
	    .mx_sb_len = sizeof(sense),
	    .sbp = sense,
	    .timeout = TIMEOUT_MS,
	};
	a->error = sg_ioctl(node, &a->header);
	if (a->error || a->header.status || a->header.host_status)
		return false;
	a->len = cdb[4];
	if (a->header.resid > 0 && (size_t)a->header.resid <= a->len)
		a->len -= (size_t)a->header.resid;
	return a->len >= (page < 0 ? 32u : 4u);
}

static void keep(struct sg_identity *id, const void *bytes, size_t len)
{
	if (len > SG_IDENTITY_MAX - id->len)
		len = SG_IDENTITY_MAX - id->len;
	memcpy(id->bytes + id->len, bytes, len);
	id->len += len;
}

/* The designators of the logical unit; those of ports depend on the way to it. */
static bool keep_designators(struct sg_identity *id, const struct answer *a)
{
	size_t at = 4, before = id->len;

	while (at + 4 <= a->len && at + 4 + a->data[at + 3] <= a->len) {
		if (!(a->data[at + 1] & 0x30))
			keep(id, a->data + at, 4u + a->data[at + 3]);
		at += 4u + a->data[at + 3];
	}
	return id->len > before;
}

static void describe(struct sg_identity *id, const uint8_t *standard)
{
	for (size_t i = 0; i < 24; i++) {
		uint8_t c = standard[8 + i];

		id->text[i] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
	}
	for (size_t i = 24; i && id->text[i - 1] == ' '; i--)
		id->text[i - 1] = 0;
}

bool sg_identify(const struct sg_node *node, struct sg_identity *id, char *error, size_t error_size)
{
	struct answer a;

	memset(id, 0, sizeof(*id));
	if (!inquire(node, -1, &a)) {
		if (a.error)
			snprintf(error, error_size, "INQUIRY failed: %s", strerror(a.error));
		else
			snprintf(error, error_size,
				 "it does not answer INQUIRY (status %02xh, host status %02xh)",
				 a.header.status, a.header.host_status);
		return false;
	}
	describe(id, a.data);
	keep(id, a.data, 1);
	keep(id, a.data + 8, 24);
	if (inquire(node, VPD_IDENTIFICATION, &a) && keep_designators(id, &a))
		return true;
	if (inquire(node, VPD_SERIAL, &a))
		keep(id, a.data + 4, a.len - 4);
	return true;
}

bool sg_same_identity(const struct sg_identity *a, const struct sg_identity *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
