/* SPDX-License-Identifier: MIT */
/* What an operator makes of a media changer: its elements, its drives, its cartridges. */
#ifndef TGT_MGMT_CHANGER_OPS_H
#define TGT_MGMT_CHANGER_OPS_H

#include <stdbool.h>

struct mgmt_request;

/* The request's params are a changer's own ones (element_type=, address= …). */
bool mgmt_is_changer_update(const struct mgmt_request *request);
/* Carries them out, and answers. */
void mgmt_changer_update(struct mgmt_request *request);

/* At start: carries cartridges for the changers. */
void mgmt_changer_init(void);

#endif
