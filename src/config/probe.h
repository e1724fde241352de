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
 * Gives a step that makes a unit of a file or device in use a member "obstacle", {"error",
 * "detail"}: when another unit that runs and stays, or that comes before it, has it, or somebody
 * else holds the block device; not where the step has "allow_in_use".  A step that deletes a unit,
 * to make it anew, has the obstacle of that; so has one whose new file isn't there: the old unit
 * goes on.
 */
void config_probe_use(json_t *plan, const json_t *running);

#endif
