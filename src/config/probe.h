/* SPDX-License-Identifier: MIT */
/* What must be asked of files and devices before a plan can be carried out.  Blocks: worker
 * threads. */
#ifndef TGT_CONFIG_PROBE_H
#define TGT_CONFIG_PROBE_H

#include <jansson.h>

/*
 * Units of direct-store say what the device itself is called (vendor_id, product_id, product_rev,
 * scsi_sn), where the file doesn't; from sysfs ("/sys").
 */
void config_probe_direct(json_t *wanted, const char *sysfs);

/*
 * Gives a step that makes a unit of a file or device in use a member "in_use" that says by what:
 * another unit that runs and stays, or that comes before it, or whoever else holds the block
 * device. Not where the step has "allow_in_use".
 */
void config_probe_use(json_t *plan, const json_t *running);

#endif
