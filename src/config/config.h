/* SPDX-License-Identifier: MIT */
/*
 * targets.conf(5), and the difference between it and what runs.
 *
 * What a file asks for and what runs have one form, the model, in JSON:
 *
 *   {"targets": {NAME: target}, "discovery": accounts, "accounts": {USER: PASSWORD}}
 *   target    {"place", "tid", "state", "parameters": {NAME: VALUE}, "addresses": {TEXT: true},
 *              "names": {TEXT: true}, "incoming": {USER: true}, "outgoing": {USER: true},
 *              "luns": {"LUN": lun}}
 *   lun       {"place", "path", "bstype", "device_type", "bsopts", "bsoflags", "blocksize",
 *              "direct", "allow_in_use", "write_cache", "params": {NAME: VALUE}}
 *   accounts  {"incoming": {USER: true}, "outgoing": {USER: true}}
 *
 * "place" is FILE:LINE.  What isn't given isn't there.  A mode page is a parameter with the name
 * "mode_page PAGE:SUBPAGE".  A model of what runs (running.h) says more of each thing.
 */
#ifndef TGT_CONFIG_CONFIG_H
#define TGT_CONFIG_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_DEFAULT_FILE "/etc/tgt/targets.conf"

/* What reading found. */
struct config {
	json_t *model;    /* NULL: the errors leave none */
	json_t *errors;   /* ["FILE:LINE: what"], in their order; at most 100 */
	json_t *warnings; /* of the same form */
	bool has_control_port;
	unsigned control_port;
};

/*
 * Reads a file and what it includes; blocks.  With ignore_errors, or when the file says so, lines
 * that are wrong are left out (and a target whose rules of access are wrong, as a whole); else an
 * error leaves no model.  config is filled in any case; config_free() it.
 */
void config_read(const char *path, bool ignore_errors, struct config *config);
/* The same of a text; name stands for the file's. */
void config_read_text(const char *name, const char *text, size_t len, bool ignore_errors,
		      struct config *config);
void config_free(struct config *config);

/* An empty model. */
json_t *config_model_new(void);

#endif
