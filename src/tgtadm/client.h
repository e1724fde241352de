/* SPDX-License-Identifier: MIT */
/* One request, one answer, over the management socket. */
#ifndef TGT_TGTADM_CLIENT_H
#define TGT_TGTADM_CLIENT_H

#include <jansson.h>

/* The daemon's answer as it came, *len bytes (the caller frees it), or NULL after a line on stderr;
 * *rc is then what to exit with. */
char *adm_ask_text(unsigned int control_port, const json_t *request, size_t *len, int *rc);
/* The same as a JSON object with "rc". */
json_t *adm_ask(unsigned int control_port, const json_t *request, int *rc);

/* Says on stderr that what came is no answer; what to exit with. */
int adm_no_answer(unsigned int control_port);

/* A member as text or number; "" and 0 when it isn't there. */
const char *adm_text(const json_t *object, const char *member);
json_int_t adm_number(const json_t *object, const char *member);

#endif
