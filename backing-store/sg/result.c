/* SPDX-License-Identifier: MIT */
/* What the kernel and the device made of a command, as a status of the store. */
#include "sg.h"

#include <errno.h>
#include <string.h>

/* No device takes less; EINVAL for more says that it was too much. */
#define ANY_DEVICE_TAKES (64u << 10)

/* The mid-layer's result codes as sg hands them on (host_status). */
enum {
	HOST_OK = 0x00,
	HOST_NO_CONNECT = 0x01,
	HOST_BUS_BUSY = 0x02,
	HOST_TIME_OUT = 0x03,
	HOST_BAD_TARGET = 0x04,
	HOST_RESET = 0x08,
	HOST_IMM_RETRY = 0x0c,
	HOST_REQUEUE = 0x0d,
	HOST_TRANSPORT_FAILFAST = 0x0f,
	HOST_TARGET_FAILURE = 0x10,
	HOST_NEXUS_FAILURE = 0x11,
	HOST_ALLOC_FAILURE = 0x12,
	HOST_MEDIUM_ERROR = 0x13,
};

/* and of the driver, without its hints for retrying */
#define DRIVER_CODE 0x0f
#define DRIVER_TIMEOUT 0x06
#define DRIVER_SENSE 0x08

/*
 * BUSY only for what says that the command has not been sent: an initiator sends it again whatever
 * it is.  TRANSPORT for what may have been done: the host sends again what changes nothing, and
 * ends the others with ABORTED COMMAND.
 */
static enum tgt_bs_status host_status(unsigned code)
{
	switch (code) {
	case HOST_OK:
	/* the device answered, and its status says what */
	case HOST_TARGET_FAILURE:
	case HOST_NEXUS_FAILURE:
	case HOST_ALLOC_FAILURE:
	case HOST_MEDIUM_ERROR:
		return TGT_BS_OK;
	case HOST_NO_CONNECT:
	case HOST_BAD_TARGET:
	case HOST_TRANSPORT_FAILFAST:
		return TGT_BS_ERR_NOT_READY;
	case HOST_TIME_OUT:
		return TGT_BS_ERR_TIMED_OUT;
	case HOST_RESET:
		return TGT_BS_ERR_RESET;
	case HOST_BUS_BUSY:
	case HOST_IMM_RETRY:
	case HOST_REQUEUE:
		return TGT_BS_ERR_BUSY;
	default:
		return TGT_BS_ERR_TRANSPORT;
	}
}

static enum tgt_bs_status driver_status(unsigned code)
{
	switch (code & DRIVER_CODE) {
	case 0:
	case DRIVER_SENSE:
		return TGT_BS_OK;
	case DRIVER_TIMEOUT:
		return TGT_BS_ERR_TIMED_OUT;
	default:
		return TGT_BS_ERR_TRANSPORT;
	}
}

bool sg_is_gone(int error)
{
	return error == ENODEV || error == ENXIO || error == ESHUTDOWN;
}

enum tgt_bs_status sg_errno_status(int error)
{
	switch (error) {
	case ENODEV:
	case ENXIO:
	case ESHUTDOWN:
		return TGT_BS_ERR_NOT_READY;
	case EAGAIN:
	case EBUSY:
	case EDOM:
	case ENOMEM:
		return TGT_BS_ERR_BUSY;
	case EINVAL:
	case EPERM:
	case EACCES:
	case ENOTTY:
	case EOPNOTSUPP:
		return TGT_BS_ERR_NOT_SUPPORTED; /* this device or driver doesn't take it */
	case EIO:
		return TGT_BS_ERR_TRANSPORT;
	default:
		return TGT_BS_ERR_HARDWARE;
	}
}

void sg_refused(struct sg *sg, struct tgt_bs_request *r, int error)
{
	r->status = sg_errno_status(error);
	if (error == EINVAL && r->length > ANY_DEVICE_TAKES)
		r->status = TGT_BS_ERR_TOO_LONG;
	/* an initiator can repeat it as often as it likes */
	if (r->status != TGT_BS_ERR_BUSY && atomic_exchange(&sg->told_error, error) != error)
		sg_host->log(sg->lu, TGT_BS_LOG_WARNING, "command %02x was not taken: %s",
			     r->cdb[0], strerror(error));
}

static uint64_t moved(const struct sg_io_hdr *h)
{
	if (h->resid <= 0)
		return h->dxfer_len;
	return (unsigned)h->resid < h->dxfer_len ? h->dxfer_len - (unsigned)h->resid : 0;
}

bool sg_set_result(struct tgt_bs_request *r, const struct sg_io_hdr *h)
{
	enum tgt_bs_status status = host_status(h->host_status);

	r->actual = moved(h);
	/* masked_status is the same, shifted; the bits that this masks were vendors' */
	r->scsi_status = h->status & 0x7e;
	r->sense_len = h->sb_len_wr;
	if (status == TGT_BS_OK)
		status = driver_status(h->driver_status);
	if (r->scsi_status) /* what the device says is worth more than what is said about it */
		status = TGT_BS_ERR_SCSI;
	else if (status == TGT_BS_OK && h->host_status)
		status = TGT_BS_ERR_TRANSPORT; /* a failure of the device's without its status */
	if (status != TGT_BS_OK && status != TGT_BS_ERR_SCSI)
		r->actual = 0;
	r->status = status;
	return status != TGT_BS_ERR_NOT_READY;
}
