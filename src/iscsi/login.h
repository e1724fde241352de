/* SPDX-License-Identifier: MIT */
/* Login (RFC 7143 6.3, 11.12): from the first PDU of a connection to a session.  Control reactor.
 */
#ifndef TGT_ISCSI_LOGIN_H
#define TGT_ISCSI_LOGIN_H

#include "iscsi/conn.h"
#include "iscsi/control.h"

#define LOGIN_DATA_MAX 8192u /* MaxRecvDataSegmentLength until login is done */

/* Status-Class << 8 | Status-Detail (11.13.5). */
enum login_status {
	LOGIN_SUCCESS = 0x0000,
	LOGIN_INITIATOR_ERROR = 0x0200,
	LOGIN_AUTH_FAILURE = 0x0201,
	LOGIN_AUTHORIZATION_FAILURE = 0x0202,
	LOGIN_NOT_FOUND = 0x0203,
	LOGIN_UNSUPPORTED_VERSION = 0x0205,
	LOGIN_TOO_MANY_CONNECTIONS = 0x0206,
	LOGIN_MISSING_PARAMETER = 0x0207,
	LOGIN_CANNOT_INCLUDE = 0x0208,
	LOGIN_TYPE_NOT_SUPPORTED = 0x0209,
	LOGIN_NO_SUCH_SESSION = 0x020a,
	LOGIN_INVALID_REQUEST = 0x020b,
	LOGIN_TARGET_ERROR = 0x0300,
	LOGIN_SERVICE_UNAVAILABLE = 0x0301,
	LOGIN_OUT_OF_RESOURCES = 0x0302,
};

/* A connection was accepted: its login begins.  False: out of memory. */
bool login_start(struct conn *conn);
/* A PDU came with all its data. */
void login_pdu(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len);
/* The connection is gone. */
void login_free(struct conn *conn);
/* It waits for no session's end any more; harmless when it doesn't. */
void login_stop_waiting(struct conn *conn);
/* The session that logins wait for (reinstatement) has ended. */
void login_resume_waiters(struct list *waiters);
/* Ends the discovery sessions that are older than a discovery takes; how many. */
unsigned login_end_idle_discovery(void);
/* Ends the logins to a target that is being deleted. */
void login_drop_target(const struct iscsi_target *target);

#endif
