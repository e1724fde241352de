/* SPDX-License-Identifier: MIT */
/*
 * What management may do with the iSCSI side: targets, portals, accounts, access rules, sessions.
 * All on the control reactor (number 0), which also accepts and logs in connections.  Functions
 * return 0 or a negative errno: -EEXIST there already, -ENOENT not there, -EINVAL makes no sense,
 * -ENOMEM.
 */
#ifndef TGT_ISCSI_CONTROL_H
#define TGT_ISCSI_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/target.h"
#include "util/list.h"

#define ISCSI_NAME_MAX 223 /* RFC 7143 4.2.7.1 */

/* A text that is bound to a target: an access rule, or an account's user. */
struct iscsi_binding {
	struct list link;
	char *text;
	bool outgoing; /* accounts */
};

/* A session as management sees it; written at login and logout. */
struct iscsi_session_info {
	struct list link; /* in iscsi_target.sessions, newest first */
	uint64_t id;      /* nexus id, the "I_T nexus" number, TSIH */
	uint32_t cid;
	uint16_t portal_group; /* the tag of the one that it came by */
	char initiator[ISCSI_NAME_MAX + 1];
	char alias[256];
	char address[64]; /* the peer's, without port */
	void *session;
};

#define ISCSI_NR_PARAMS 26

struct iscsi_target {
	struct target *scsi;              /* scsi->transport is this */
	uint32_t params[ISCSI_NR_PARAMS]; /* see iscsi_param_names() */
	struct list addresses;            /* struct iscsi_binding: ALL, a.b.c.d[/n], IPv6[/n] */
	struct list names;                /* struct iscsi_binding: initiator names */
	struct list accounts;             /* struct iscsi_binding */
	struct list sessions;             /* struct iscsi_session_info */
	bool deleting;
};

/* Portals, by address; the first one is 127.0.0.1:3260's place: [::] and 0.0.0.0 by default. */
struct iscsi_portal {
	struct list link;
	char text[80]; /* "127.0.0.1:3260", "[::1]:3260" */
	uint16_t tag;  /* target portal group tag, 1 … 65535 */
};
const struct list *iscsi_portals(void); /* newest first, as stgt lists them */
#define PORTAL_GROUP_DEFAULT 1
/* text: ADDR[:PORT]; IPv6 in brackets.  tag: of the portal group that it belongs to (RFC 7143
 * 4.4.1).  error (of size bytes) gets a line that says why. */
int iscsi_portal_add(const char *text, uint16_t tag, char *error, size_t size);
int iscsi_portal_delete(const char *text);

/* Seconds between NOP-In pings and how many may go unanswered; for targets made later. 0: none. */
void iscsi_set_nop_defaults(uint32_t interval, uint32_t count);

/* An iqn., eui. or naa. name (RFC 7143 4.2.7).  Any thread. */
bool iscsi_name_valid(const char *name);

/* Targets.  The name must be an iqn., eui. or naa. name (RFC 7143 4.2.7), or -EINVAL. */
int iscsi_target_create(uint32_t tid, const char *name, struct iscsi_target **target);
struct iscsi_target *iscsi_target_find(uint32_t tid);
/*
 * Closes the target's sessions (on their reactors), unpublishes and destroys its LUs, frees it;
 * then done(arg).  A store that hangs delays only the freeing: done is called after at most 5 s.
 * The tid and the name are free again at once.
 */
void iscsi_target_delete(struct iscsi_target *target, void (*done)(void *arg), void *arg);
/* "ready" or "offline": an offline target accepts no login, and its sessions' commands get BUSY …
 * NOT READY. */
void iscsi_target_set_ready(struct iscsi_target *target, bool ready);

/* Sets the parameters as those of a new target are; nothing else in it. */
void iscsi_target_defaults(struct iscsi_target *target);

/* Parameters in the order in which stgt shows them (compat/), with their defaults. */
const char *iscsi_param_name(unsigned index); /* 0 … ISCSI_NR_PARAMS - 1 */
/* As show prints it: number, Yes/No, None/CRC32C … */
void iscsi_param_format(const struct iscsi_target *target, unsigned index, char *out, size_t size);
/* Whether there is a parameter of that name that can have that value.  Any thread. */
bool iscsi_param_valid(const char *name, const char *value);
/* -EINVAL: no such name, or a value out of range. */
int iscsi_param_set(struct iscsi_target *target, const char *name, const char *value);

int iscsi_bind_address(struct iscsi_target *target, const char *text);
int iscsi_unbind_address(struct iscsi_target *target, const char *text);
int iscsi_bind_name(struct iscsi_target *target, const char *name);
int iscsi_unbind_name(struct iscsi_target *target, const char *name);

/* Accounts, newest first. */
struct iscsi_account {
	struct list link;
	char *user, *password;
};
const struct list *iscsi_accounts(void);
int iscsi_account_add(const char *user, const char *password);
/* Another password, for logins to come; where it is bound it stays. */
int iscsi_account_set_password(const char *user, const char *password);
/* Also unbinds it everywhere. */
int iscsi_account_delete(const char *user);
/* target NULL: for discovery sessions.  A target has any number of incoming ones and one outgoing.
 */
int iscsi_account_bind(struct iscsi_target *target, const char *user, bool outgoing);
int iscsi_account_unbind(struct iscsi_target *target, const char *user, bool outgoing);
const struct list *iscsi_discovery_accounts(void); /* struct iscsi_binding */

/* Closes a connection; -ENOENT when there is none. */
int iscsi_connection_close(struct iscsi_target *target, uint64_t session_id, uint32_t cid);

/* Whole system offline: new logins are refused (0x0301). */
void iscsi_set_system_ready(bool ready);
bool iscsi_system_ready(void);

int iscsi_init(void);
/* Stops accepting, ends all sessions cleanly (running commands end first, at most timeout_ms), then
 * done(arg). */
void iscsi_shutdown(uint32_t timeout_ms, void (*done)(void *arg), void *arg);

#endif
