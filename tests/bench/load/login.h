/* SPDX-License-Identifier: MIT */
/* Login (RFC 7143 6.3), without authentication. */
#ifndef LOAD_LOGIN_H
#define LOAD_LOGIN_H

#include "session.h"

/* Sends the first request, which asks for all of it at once. */
void login_begin(struct session *s);

/* Waits for the answer, and until the session is in its full feature phase. */
void login_finish(struct session *s);

#endif
