/* SPDX-License-Identifier: MIT */
/* Commands by SG_IO, which waits for the device: on workers. */
#include "sg.h"

#include <errno.h>
#include <limits.h>
#include <linux/bsg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

/* Of the sg driver's interface, but not in every C library's header.  Without the first, commands
 * queued by different calls would start in the reverse order. */
#define FLAG_Q_AT_TAIL 0x10
#define RESET_NO_ESCALATE 0x100

static int direction(const struct tgt_bs_request *r)
{
	if (!r->length)
		return SG_DXFER_NONE;
	if (r->flags & TGT_BS_REQ_DATA_IN)
		return SG_DXFER_FROM_DEV;
	return r->flags & TGT_BS_REQ_DATA_OUT ? SG_DXFER_TO_DEV : SG_DXFER_NONE;
}

static void set_data(struct sg_io_hdr *h, const struct tgt_bs_request *r)
{
	h->dxfer_direction = direction(r);
	if (h->dxfer_direction == SG_DXFER_NONE)
		return;
	h->dxfer_len = (unsigned)r->length;
	if (r->iovcnt == 1) {
		h->dxferp = r->iov[0].iov_base;
		return;
	}
	/* struct sg_iovec is struct iovec by another name */
	h->iovec_count = (unsigned short)r->iovcnt;
	h->dxferp = (void *)(uintptr_t)r->iov;
}

/*
 * No SG_FLAG_DIRECT_IO: nearly no machine allows it (allow_dio), and without it the driver copies
 * from within write() and read(), so what is never read back never reaches our memory.  An aborted
 * command and a descriptor that is given up depend on that.
 */
bool sg_fill_header(struct sg_io_hdr *h, const struct tgt_bs_request *r)
{
	*h = (struct sg_io_hdr){
	    .interface_id = 'S',
	    .flags = FLAG_Q_AT_TAIL,
	    .cmd_len = (unsigned char)r->cdb_len,
	    .cmdp = (unsigned char *)(uintptr_t)r->cdb,
	    .mx_sb_len = (unsigned char)(r->sense_size < UCHAR_MAX ? r->sense_size : UCHAR_MAX),
	    .sbp = r->sense,
	    .timeout = r->timeout_ms,
	};
	if (r->length > UINT_MAX || r->iovcnt > USHRT_MAX)
		return false;
	set_data(h, r);
	return true;
}

/* ---- version 4 ---- */

static void gather(const struct sg_io_hdr *h, char *flat, bool into_flat)
{
	const struct iovec *iov = h->dxferp;

	for (unsigned i = 0; i < h->iovec_count; flat += iov[i++].iov_len) {
		if (into_flat)
			memcpy(flat, iov[i].iov_base, iov[i].iov_len);
		else
			memcpy(iov[i].iov_base, flat, iov[i].iov_len);
	}
}

static int io_v4(int fd, struct sg_io_hdr *h, void *data)
{
	bool out = h->dxfer_direction == SG_DXFER_TO_DEV;
	bool in = h->dxfer_direction == SG_DXFER_FROM_DEV;
	struct sg_io_v4 v4 = {
	    .guard = 'Q',
	    .protocol = BSG_PROTOCOL_SCSI,
	    .subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD,
	    .request_len = h->cmd_len,
	    .request = (uintptr_t)h->cmdp,
	    .max_response_len = h->mx_sb_len,
	    .response = (uintptr_t)h->sbp,
	    .dout_xfer_len = out ? h->dxfer_len : 0,
	    .dout_xferp = out ? (uintptr_t)data : 0,
	    .din_xfer_len = in ? h->dxfer_len : 0,
	    .din_xferp = in ? (uintptr_t)data : 0,
	    .timeout = h->timeout,
	    .flags = BSG_FLAG_Q_AT_TAIL,
	};

	if (ioctl(fd, SG_IO, &v4) < 0)
		return errno;
	h->status = (unsigned char)v4.device_status;
	h->host_status = (unsigned short)v4.transport_status;
	h->driver_status = (unsigned short)v4.driver_status;
	h->sb_len_wr = (unsigned char)v4.response_len;
	h->resid = out ? v4.dout_resid : v4.din_resid;
	return 0;
}

/* bsg's data are one piece of memory. */
static int ioctl_v4(int fd, struct sg_io_hdr *h)
{
	void *flat;
	int error;

	if (!h->iovec_count)
		return io_v4(fd, h, h->dxferp);
	flat = malloc(h->dxfer_len);
	if (!flat)
		return ENOMEM;
	gather(h, flat, true);
	error = io_v4(fd, h, flat);
	if (!error && h->dxfer_direction == SG_DXFER_FROM_DEV)
		gather(h, flat, false);
	free(flat);
	return error;
}

int sg_ioctl(const struct sg_node *node, struct sg_io_hdr *h)
{
	/* one kind of node takes the other's header for longer than it is */
	union {
		struct sg_io_hdr v3;
		char room[256];
	} u;

	if (node->kind == SG_V4)
		return ioctl_v4(node->fd, h);
	memset(&u, 0, sizeof(u));
	u.v3 = *h;
	if (ioctl(node->fd, SG_IO, &u.v3) < 0)
		return errno;
	*h = u.v3;
	return 0;
}

/* ---- requests ---- */

static const char *run_cdb(struct sg *sg, struct sg_node *node, struct tgt_bs_request *r)
{
	struct sg_io_hdr h;
	int error;

	if (!sg_fill_header(&h, r)) {
		r->status = TGT_BS_ERR_INVALID;
		return NULL;
	}
	error = sg_ioctl(node, &h);
	if (error) {
		sg_refused(sg, r, error);
		return sg_is_gone(error) ? strerror(error) : NULL;
	}
	return sg_set_result(r, &h) ? NULL : "no connection to it";
}

/* The device alone: a reset of its bus or adapter would hit what belongs to others. */
static const char *reset(struct sg *sg, struct sg_node *node, struct tgt_bs_request *r)
{
	int what = SG_SCSI_RESET_DEVICE | RESET_NO_ESCALATE, error;

	if (ioctl(node->fd, SG_SCSI_RESET, &what) == 0)
		return NULL;
	error = errno;
	r->status = sg_errno_status(error);
	sg_host->log(sg->lu, TGT_BS_LOG_WARNING, "the device can't be reset: %s", strerror(error));
	return sg_is_gone(error) ? strerror(error) : NULL;
}

void sg_run_blocking(struct sg *sg, struct tgt_bs_request *r)
{
	struct sg_node *node = sg_node_get(sg);
	unsigned generation;
	const char *gone;

	if (!node) {
		r->status = TGT_BS_ERR_NOT_READY;
		return;
	}
	generation = node->generation;
	gone = r->op == TGT_BS_RESET ? reset(sg, node, r) : run_cdb(sg, node, r);
	sg_node_put(sg, node);
	if (gone)
		sg_gone(sg, generation, gone);
}
