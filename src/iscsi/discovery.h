/* SPDX-License-Identifier: MIT */
/* Text requests (RFC 7143 11.10) and SendTargets (Appendix C), in discovery and in normal sessions.
 */
#ifndef TGT_ISCSI_DISCOVERY_H
#define TGT_ISCSI_DISCOVERY_H

#include "iscsi/conn.h"
#include "iscsi/control.h"
#include "iscsi/text.h"

/* Who asks, and over which address. */
struct discovery_view {
	const char *initiator;
	const union address *peer, *local;
	const struct iscsi_target *only; /* NULL: a discovery session */
};
/* The answer to SendTargets=value.  Control reactor. */
void discovery_send_targets(const struct discovery_view *view, const char *value,
			    struct text_out *out);

/* A text request with its data. */
void text_request(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len);
void text_exchange_free(struct conn *conn);

#endif
