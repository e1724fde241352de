/* SPDX-License-Identifier: MIT */
/* One request, one answer, over the management socket. */
#ifndef TGT_TGTADM_CLIENT_H
#define TGT_TGTADM_CLIENT_H

#include <jansson.h>

/* The daemon's answer (a JSON object with "rc"), or NULL after a line on stderr; *rc is then what
 * to exit with. */
json_t *adm_ask(unsigned int control_port, const json_t *request, int *rc);

#endif
