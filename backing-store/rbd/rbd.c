/* SPDX-License-Identifier: MIT */
/* Images of a Ceph cluster, by librbd. */
#include "rbd.h"

const struct tgt_bs_host *rbd_host;

static const struct tgt_bs_option options[NR_OPTIONS] = {
    [OPT_CONF] = {.struct_size = sizeof(struct tgt_bs_option),
		  .type = TGT_BS_OPT_FILE,
		  .name = "conf",
		  .help = "the cluster's configuration file; without it where Ceph looks for one"},
    [OPT_CLUSTER] = {.struct_size = sizeof(struct tgt_bs_option),
		     .type = TGT_BS_OPT_STRING,
		     .name = "cluster",
		     .default_value = "ceph",
		     .help = "the cluster's name"},
    [OPT_ID] = {.struct_size = sizeof(struct tgt_bs_option),
		.type = TGT_BS_OPT_STRING,
		.name = "id",
		.default_value = "admin",
		.help = "the user, without \"client.\""},
    [OPT_KEYRING] = {.struct_size = sizeof(struct tgt_bs_option),
		     .type = TGT_BS_OPT_FILE,
		     .name = "keyring",
		     .help = "the file with the user's key; without it as the configuration says"},
    [OPT_CACHE] = {.struct_size = sizeof(struct tgt_bs_option),
		   .type = TGT_BS_OPT_BOOL,
		   .name = "cache",
		   .default_value = "no",
		   .help = "librbd's cache in memory; never for an image that others write to"},
    [OPT_LOCK] = {.struct_size = sizeof(struct tgt_bs_option),
		  .type = TGT_BS_OPT_STRING,
		  .name = "lock",
		  .default_value = "auto",
		  .help =
		      "auto: librbd takes the image's exclusive lock when it writes; exclusive: "
		      "it is taken when the unit is made and kept; none: the image must not have "
		      "that feature"},
    [OPT_TIMEOUT] = {.struct_size = sizeof(struct tgt_bs_option),
		     .type = TGT_BS_OPT_UINT,
		     .name = "timeout",
		     .default_value = "60",
		     .help = "seconds that the cluster may take for a request; 0: any time",
		     .max = 86400},
};

static const struct tgt_bs_module module = {
    .struct_size = sizeof(module),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
    .name = "rbd",
    .version = "1.0",
    .help = "images of a Ceph cluster (librbd)",
    .kind = TGT_BS_BLOCK,
    .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA | TGT_BS_CAN_DISCARD |
		    TGT_BS_CAN_WRITE_ZEROES | TGT_BS_CAN_BLOCK_STATUS | TGT_BS_CAN_WRITE_SAME |
		    TGT_BS_CAN_COMPARE_AND_WRITE | TGT_BS_NEEDS_PATH,
    .thread_model = TGT_BS_REACTOR,
    .request_size = sizeof(struct rbd_io),
    .options = options,
    .nr_options = NR_OPTIONS,
    .open = rbd_store_open,
    .close = rbd_store_close,
    .geometry = rbd_store_geometry,
    .channel_open = rbd_channel_open,
    .channel_close = rbd_channel_close,
    .submit = rbd_store_submit,
    .state = &rbd_state_ops,
};

TGT_BS_MODULE(module, rbd_host);
