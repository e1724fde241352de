/* SPDX-License-Identifier: MIT */
/*
 * A SCSI device of this machine: commands go to it by the SG_IO ioctl (version 3 of the sg driver's
 * interface), on /dev/sgN or on its block device.  The ioctl waits for the device, so all of it
 * runs on workers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <scsi/sg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tgt/backing-store.h>

#define SG_VERSION_3 30000 /* what SG_GET_VERSION_NUM answers at least */

struct sg {
	int fd;
	bool readonly;
	struct tgt_bs_lu *lu;
};

static const struct tgt_bs_host *host;

/* ---- opening ---- */

static const char *why_not(int fd)
{
	struct stat st;
	int version = 0;

	if (fstat(fd, &st))
		return strerror(errno);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return "not a device";
	if (ioctl(fd, SG_GET_VERSION_NUM, &version) || version < SG_VERSION_3)
		return "not a SCSI device that takes commands by SG_IO";
	return NULL;
}

static int sg_open(const struct tgt_bs_open_args *args, void **store, char *error,
		   size_t error_size)
{
	struct sg *sg = calloc(1, sizeof(*sg));
	const char *why;
	int err = -ENOMEM;

	if (!sg) {
		snprintf(error, error_size, "out of memory");
		return err;
	}
	sg->lu = args->lu;
	sg->readonly = args->flags & TGT_BS_OPEN_READONLY;
	/* without O_NONBLOCK an sg device that somebody holds exclusively would keep us waiting */
	sg->fd = open(args->path, (sg->readonly ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
	err = sg->fd < 0 ? -errno : -EINVAL;
	why = sg->fd < 0 ? strerror(errno) : why_not(sg->fd);
	if (!why) {
		*store = sg;
		return 0;
	}
	snprintf(error, error_size, "%s: %s", args->path, why);
	if (sg->fd >= 0)
		close(sg->fd);
	free(sg);
	return err;
}

static void sg_close(void *store)
{
	struct sg *sg = store;

	close(sg->fd);
	free(sg);
}

static int sg_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	const struct sg *sg = store;

	geometry->flags = sg->readonly ? TGT_BS_GEO_READONLY : 0;
	return 0;
}

/* ---- commands ---- */

/* The mid-layer's result codes as sg hands them on (host_status). */
enum {
	HOST_OK = 0x00,
	HOST_NO_CONNECT = 0x01,
	HOST_BUS_BUSY = 0x02,
	HOST_TIME_OUT = 0x03,
	HOST_BAD_TARGET = 0x04,
	HOST_SOFT_ERROR = 0x0b,
	HOST_IMM_RETRY = 0x0c,
	HOST_REQUEUE = 0x0d,
	HOST_TRANSPORT_DISRUPTED = 0x0e,
	HOST_TARGET_FAILURE = 0x10,
	HOST_NEXUS_FAILURE = 0x11,
	HOST_ALLOC_FAILURE = 0x12,
	HOST_MEDIUM_ERROR = 0x13,
};

/* and of the driver, without its hints for retrying */
#define DRIVER_CODE 0x0f
#define DRIVER_TIMEOUT 0x06
#define DRIVER_SENSE 0x08

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
		return TGT_BS_ERR_NOT_READY;
	case HOST_TIME_OUT:
		return TGT_BS_ERR_TIMED_OUT;
	case HOST_BUS_BUSY:
	case HOST_SOFT_ERROR:
	case HOST_IMM_RETRY:
	case HOST_REQUEUE:
	case HOST_TRANSPORT_DISRUPTED:
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

static enum tgt_bs_status errno_status(int error)
{
	switch (error) {
	case ENODEV:
	case ENXIO:
		return TGT_BS_ERR_NOT_READY;
	case EAGAIN:
	case EBUSY:
	case ENOMEM:
		return TGT_BS_ERR_BUSY;
	case EINVAL:
	case EPERM:
	case EACCES:
		return TGT_BS_ERR_NOT_SUPPORTED; /* this device or driver doesn't take it */
	default:
		return TGT_BS_ERR_HARDWARE;
	}
}

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

static void set_result(const struct sg_io_hdr *h, struct tgt_bs_request *r)
{
	enum tgt_bs_status status = host_status(h->host_status);

	r->actual = h->dxfer_len;
	if (h->resid > 0)
		r->actual -= (unsigned)h->resid < h->dxfer_len ? (unsigned)h->resid : h->dxfer_len;
	r->scsi_status = h->status & 0x7e;
	r->sense_len = h->sb_len_wr;
	if (status == TGT_BS_OK)
		status = driver_status(h->driver_status);
	if (r->scsi_status) /* what the device says is worth more than what is said about it */
		status = TGT_BS_ERR_SCSI;
	else if (status == TGT_BS_OK && h->host_status)
		status = TGT_BS_ERR_TRANSPORT; /* a failure of the device's without its status */
	r->status = status;
}

static void run_cdb(struct sg *sg, struct tgt_bs_request *r)
{
	struct sg_io_hdr h = {
	    .interface_id = 'S',
	    .cmd_len = (unsigned char)r->cdb_len,
	    .cmdp = (unsigned char *)(uintptr_t)r->cdb,
	    .mx_sb_len = (unsigned char)(r->sense_size < UCHAR_MAX ? r->sense_size : UCHAR_MAX),
	    .sbp = r->sense,
	    .timeout = r->timeout_ms,
	};

	if (r->length > UINT_MAX || r->iovcnt > USHRT_MAX) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	set_data(&h, r);
	if (ioctl(sg->fd, SG_IO, &h) < 0) {
		r->status = errno_status(errno);
		host->log(sg->lu, TGT_BS_LOG_WARNING, "command %02x was not taken: %s", r->cdb[0],
			  strerror(errno));
		return;
	}
	set_result(&h, r);
}

static void reset(struct sg *sg, struct tgt_bs_request *r)
{
	int what = SG_SCSI_RESET_DEVICE;

	if (ioctl(sg->fd, SG_SCSI_RESET, &what) < 0)
		r->status = errno_status(errno);
}

static int sg_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)channel;
	if (r->op == TGT_BS_CDB)
		run_cdb(store, r);
	else if (r->op == TGT_BS_RESET)
		reset(store, r);
	else
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	host->complete(r);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "sg",
    .version = "0.1",
    .help = "SCSI devices of this machine, passed through",
    .kind = TGT_BS_PASSTHROUGH,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_RESET | TGT_BS_NEEDS_PATH,
    .thread_model = TGT_BS_WORKER,
    .open = sg_open,
    .close = sg_close,
    .geometry = sg_geometry,
    .submit = sg_submit,
};

TGT_BS_MODULE(module, host);
