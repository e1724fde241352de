/* SPDX-License-Identifier: MIT */
/* Portals: listening sockets.  Control reactor. */
#ifndef TGT_ISCSI_PORTAL_H
#define TGT_ISCSI_PORTAL_H

#include "iscsi/conn.h"
#include "iscsi/control.h"

struct portal {
	struct iscsi_portal pub;
	union address address;
	struct fd_watch watch;
};

static inline struct portal *portal_of(struct iscsi_portal *pub)
{
	return container_of(pub, struct portal, pub);
}

/* A connection less is logging in: those that wait to be accepted for it go on. */
void portals_resume(void);
/* Stops to listen on all of them. */
void portals_close(void);

#endif
