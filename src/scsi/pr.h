/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations (SPC-5 5.14): the table of registrations, and what the files pr*.c share.
 * A PERSISTENT RESERVE OUT works on a copy of the table, which becomes the LU's when all has gone
 * well, so no half-done change is ever seen.  The table changes inside exclusive operations only.
 */
#ifndef TGT_SCSI_PR_H
#define TGT_SCSI_PR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/lu.h"
#include "scsi/nexus.h"

#define PR_REGISTRATIONS_MAX 256u

/* TYPE, SPC-5 table 166; 0: there is no reservation. */
enum pr_type {
	PR_NONE = 0x0,
	PR_WRITE_EXCLUSIVE = 0x1,
	PR_EXCLUSIVE_ACCESS = 0x3,
	PR_WRITE_EXCLUSIVE_REGISTRANTS = 0x5,
	PR_EXCLUSIVE_ACCESS_REGISTRANTS = 0x6,
	PR_WRITE_EXCLUSIVE_ALL = 0x7,
	PR_EXCLUSIVE_ACCESS_ALL = 0x8,
};

/* An I_T nexus as it is known when no session is there: initiator port and target port. */
struct pr_port {
	uint16_t relative_port;
	bool all_ports; /* every port of the target (ALL_TG_PT) */
	uint16_t id_len;
	uint8_t id[TRANSPORT_ID_MAX]; /* TransportID, SPC-5 7.6.4 */
};

struct pr_registration {
	uint64_t key;
	bool holder; /* not for the all registrants types, where all of them are */
	struct pr_port port;
};

struct pr_table {
	uint8_t type; /* enum pr_type */
	bool aptpl;
	uint32_t generation; /* PRGENERATION */
	unsigned count, room;
	struct pr_registration registrations[];
};

/* A set of I_T nexuses to tell of a change, or to abort the tasks of: those of the ports, but that
 * which asked for it, which knows. */
struct pr_ports {
	uint64_t except; /* nexus id */
	unsigned count;
	struct pr_port ports[PR_REGISTRATIONS_MAX];
};

struct pr_change;
struct pr_shared;
struct pr_state {
	struct pr_table *table;
	/* their port sets are in use until the exclusive operation has ended; by before */
	struct pr_change *last;
	struct pr_shared *shared; /* NULL: no other host changes the table */
};

/* ---- pr_table.c ---- */

/* A copy with room for extra more registrations (cut to the maximum); from NULL an empty one. NULL:
 * out of memory. */
struct pr_table *pr_table_copy(const struct pr_table *from, unsigned extra);
void pr_port_of_nexus(struct pr_port *port, const struct nexus *nexus);
bool pr_port_is_nexus(const struct pr_port *port, const struct nexus *nexus);
bool pr_port_equal(const struct pr_port *a, const struct pr_port *b);
/* The registration of a nexus or a port, or NULL. */
struct pr_registration *pr_find_nexus(struct pr_table *table, const struct nexus *nexus);
struct pr_registration *pr_find_port(struct pr_table *table, const struct pr_port *port);
/* NULL: no room. */
struct pr_registration *pr_add(struct pr_table *table, const struct pr_port *port, uint64_t key);
/* Takes one out; the reservation is not looked at. */
void pr_remove(struct pr_table *table, struct pr_registration *registration);
bool pr_is_holder(const struct pr_table *table, const struct pr_registration *registration);
bool pr_is_all_registrants(uint8_t type);
/* Registrants only or all registrants. */
bool pr_is_registrants(uint8_t type);
bool pr_type_valid(uint8_t type);
/*
 * Reads one TransportID (iSCSI, with ISID: the format that names an initiator port) from at most
 * len bytes.  Returns the bytes it takes, or 0 when it isn't one.
 */
size_t pr_parse_transport_id(const uint8_t *at, size_t len, struct pr_port *port);

/* ---- pr_state.c: the table as a blob under the state directory ---- */

#define PR_BLOB_MAX (64u + PR_REGISTRATIONS_MAX * (16u + TRANSPORT_ID_MAX) + 4096u)

/* Writes the table as it is kept into PR_BLOB_MAX bytes; returns the length, 0: nothing is to be
 * kept. */
size_t pr_encode(uint8_t *blob, const struct pr_table *table, const char *medium);
/* NULL: not a table, damaged, of another medium, or out of memory. */
struct pr_table *pr_decode(const uint8_t *blob, size_t len, const char *medium);
#define PR_REGISTRATION_BYTES (14u + TRANSPORT_ID_MAX)
/* One registration in at most PR_REGISTRATION_BYTES; returns how many. */
size_t pr_put_registration(uint8_t *at, const struct pr_registration *r);
/* From at most len bytes; returns those it takes, 0: it isn't one. */
size_t pr_get_registration(const uint8_t *at, size_t len, struct pr_registration *r);
/* The name under which an LU's table is kept. */
void pr_state_key(const struct lu *lu, char *out, size_t size);
/* Keeps the blob durably, or forgets what was kept when there is none (len 0).  Worker; blocks.  0
 * or -errno. */
int pr_save(const char *key, const uint8_t *blob, size_t len);

/* ---- pr_in.c, pr_out.c ---- */
void pr_run_in(struct scsi_task *t);
bool pr_prepare_out(struct scsi_task *t);
void pr_run_out(struct scsi_task *t);
/* With those before it. */
void pr_change_free(struct pr_change *change);

/* ---- pr.c, for reserve.c ---- */
/* Reservations can be kept for it (APTPL). */
bool pr_can_persist(const struct lu *lu);
bool pr_has_registrations(const struct lu *lu);
/* Lets RESERVE and RELEASE of this nexus end GOOD (SPC-4 5.13.3). */
bool pr_compatible_holder(const struct scsi_task *t);

#endif
