/* SPDX-License-Identifier: MIT */
/*
 * A SCSI device of this machine: commands go to it as they come.  On /dev/sgN they are written and
 * read back on the reactors (channel.c); the nodes that only have the SG_IO ioctl, which waits for
 * the device, are served by workers (blocking.c).
 */
#include "sg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tgt_bs_host *sg_host;

enum { OPT_TIMEOUT, OPT_LONG_TIMEOUT, OPT_RESERVATIONS, NR_OPTIONS };
static const struct tgt_bs_option options[NR_OPTIONS] = {
    [OPT_TIMEOUT] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_UINT,
	    .name = "timeout",
	    .default_value = "60",
	    .help = "seconds that an ordinary command may take",
	    .min = 1,
	    .max = 1000000,
	},
    [OPT_LONG_TIMEOUT] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_UINT,
	    .name = "long_timeout",
	    .default_value = "172800",
	    .help = "seconds that a command may take that goes over the whole medium",
	    .min = 1,
	    .max = 1000000,
	},
    [OPT_RESERVATIONS] =
	{
	    .struct_size = sizeof(struct tgt_bs_option),
	    .type = TGT_BS_OPT_STRING,
	    .name = "reservations",
	    .default_value = "target",
	    .help = "who keeps reservations: target or device",
	},
};

/* ---- the node ---- */

struct sg_node *sg_node_get(struct sg *sg)
{
	struct sg_node *node;

	pthread_mutex_lock(&sg->lock);
	node = sg->node;
	if (node)
		node->refs++;
	pthread_mutex_unlock(&sg->lock);
	return node;
}

void sg_node_put(struct sg *sg, struct sg_node *node)
{
	bool last;

	pthread_mutex_lock(&sg->lock);
	last = --node->refs == 0;
	pthread_mutex_unlock(&sg->lock);
	if (last)
		sg_node_free(node);
}

/* ---- opening and closing ---- */

static int take_options(struct sg *sg, const struct tgt_bs_value *values, char *error,
			size_t error_size)
{
	const char *who = values[OPT_RESERVATIONS].text;

	sg->timeout_ms = (uint32_t)values[OPT_TIMEOUT].number * 1000;
	sg->long_timeout_ms = (uint32_t)values[OPT_LONG_TIMEOUT].number * 1000;
	sg->pass_reservations = strcmp(who, "device") == 0;
	if (sg->pass_reservations || strcmp(who, "target") == 0)
		return 0;
	snprintf(error, error_size, "reservations: \"%s\" is neither target nor device", who);
	return -EINVAL;
}

static int find_device(struct sg *sg, char *error, size_t error_size)
{
	char why[192];
	struct sg_node *node = sg_node_open(sg->path, sg->readonly, error, error_size);

	if (!node)
		return -ENODEV;
	if (!sg_identify(node, &sg->identity, why, sizeof(why))) {
		snprintf(error, error_size, "%s: %s", sg->path, why);
		sg_node_free(node);
		return -EIO;
	}
	node->generation = ++sg->generation;
	sg->node = node;
	sg->depth = node->depth;
	sg->max_transfer = node->max_transfer;
	return 0;
}

static void sg_free(struct sg *sg)
{
	if (sg->node)
		sg_node_free(sg->node);
	pthread_cond_destroy(&sg->wake);
	pthread_mutex_destroy(&sg->lock);
	free(sg->path);
	free(sg);
}

static struct sg *sg_new(const struct tgt_bs_open_args *args)
{
	struct sg *sg = calloc(1, sizeof(*sg));
	pthread_condattr_t attr;

	if (!sg)
		return NULL;
	sg->path = strdup(args->path);
	if (!sg->path) {
		free(sg);
		return NULL;
	}
	sg->lu = args->lu;
	sg->readonly = args->flags & TGT_BS_OPEN_READONLY;
	sg->last_waiter = &sg->first_waiter;
	pthread_mutex_init(&sg->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sg->wake, &attr);
	pthread_condattr_destroy(&attr);
	return sg;
}

static int sg_open(const struct tgt_bs_open_args *args, void **store, char *error,
		   size_t error_size)
{
	struct sg *sg = sg_new(args);
	int rc;

	if (!sg) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	rc = take_options(sg, args->values, error, error_size);
	if (!rc)
		rc = find_device(sg, error, error_size);
	if (rc)
		sg_free(sg);
	else
		*store = sg;
	return rc;
}

static void sg_close(void *store)
{
	sg_stop_looking(store);
	sg_free(store);
}

static int sg_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct sg *sg = store;

	geometry->flags = sg->readonly ? TGT_BS_GEO_READONLY : 0;
	if (sg->pass_reservations)
		geometry->flags |= TGT_BS_GEO_RESERVATIONS;
	/* a host of version 0.1 has no room for them */
	if (geometry->struct_size >=
	    offsetof(struct tgt_bs_geometry, long_timeout_ms) + sizeof(uint32_t)) {
		geometry->timeout_ms = sg->timeout_ms;
		geometry->long_timeout_ms = sg->long_timeout_ms;
	}
	pthread_mutex_lock(&sg->lock);
	geometry->max_transfer = sg->max_transfer;
	pthread_mutex_unlock(&sg->lock);
	return 0;
}

/* ---- requests ---- */

static bool is_asynchronous(struct sg *sg)
{
	bool asynchronous;

	pthread_mutex_lock(&sg->lock);
	asynchronous = !sg->node || sg->node->kind == SG_ASYNC;
	pthread_mutex_unlock(&sg->lock);
	return asynchronous;
}

static int sg_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	struct sg *sg = store;

	if (r->op != TGT_BS_CDB && r->op != TGT_BS_RESET) {
		r->status = TGT_BS_ERR_NOT_SUPPORTED;
	} else if (r->flags & TGT_BS_REQ_MAY_BLOCK) {
		sg_run_blocking(sg, r);
	} else if (r->op == TGT_BS_RESET || !is_asynchronous(sg)) {
		return TGT_BS_WOULD_BLOCK;
	} else {
		sg_channel_submit(channel, r);
		return 0;
	}
	sg_host->complete(r);
	return 0;
}

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "sg",
    .version = "1.0",
    .help = "SCSI devices of this machine, passed through",
    .kind = TGT_BS_PASSTHROUGH,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_RESET | TGT_BS_NEEDS_PATH,
    .thread_model = TGT_BS_REACTOR,
    .request_size = sizeof(struct sg_io),
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = sg_open,
    .close = sg_close,
    .geometry = sg_geometry,
    .channel_open = sg_channel_open,
    .channel_close = sg_channel_close,
    .submit = sg_submit,
    .cancel = sg_channel_cancel,
};

TGT_BS_MODULE(module, sg_host);
