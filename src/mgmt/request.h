/* SPDX-License-Identifier: MIT */
/*
 * A management request on its way: taken, queued, run (one at a time), answered.  Control reactor.
 */
#ifndef TGT_MGMT_REQUEST_H
#define TGT_MGMT_REQUEST_H

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>

#include "mgmt/args.h"
#include "util/list.h"

struct iscsi_target;
struct lu;
struct mgmt_request;
struct mgmt_op;
struct writer;

struct mgmt_request {
	struct list link;
	json_t *json; /* what args points into; NULL: the line was none */
	int error_column;
	struct mgmt_args args;
	const struct mgmt_op *op;
	/* Called once with the answer, which it owns: response, or text where that isn't NULL (it
	 * then sets it to NULL); the request is freed afterwards. */
	void (*answered)(struct mgmt_request *request, json_t *response);
	char *text; /* the answer, as mgmt_result_done() made it */
	size_t text_len;
	void *owner;

	/* Found before the operation runs, by tid and lun; never NULL when its row needs it. */
	struct iscsi_target *target;
	struct lu *lu;
	void *state; /* the operation's own */
	bool part;   /* of the request that runs: see mgmt_run_part() */
};

/* What must exist before a row's operation runs. */
enum mgmt_needs { MGMT_NEEDS_NOTHING, MGMT_NEEDS_TARGET, MGMT_NEEDS_LU };

/* An operation: run() calls, then or later, exactly one of mgmt_done(), mgmt_result_done() and
 * the mgmt_fail…(). */
struct mgmt_op {
	const char *mode, *op;
	enum mgmt_needs needs;
	void (*run)(struct mgmt_request *request);
};

/* Tables, each ended by a row without mode. */
extern const struct mgmt_op mgmt_system_ops[];
extern const struct mgmt_op mgmt_target_ops[];
extern const struct mgmt_op mgmt_lu_ops[];
extern const struct mgmt_op mgmt_account_ops[];
extern const struct mgmt_op mgmt_portal_ops[];
extern const struct mgmt_op mgmt_session_ops[];
extern const struct mgmt_op mgmt_module_ops[];
extern const struct mgmt_op mgmt_stat_ops[];
extern const struct mgmt_op mgmt_config_ops[];

/*
 * Takes a line of text (len bytes, no newline) as a request and queues it.  answered() is called
 * later, never from within.  NULL: out of memory.
 */
struct mgmt_request *mgmt_submit(const char *line, size_t len,
				 void (*answered)(struct mgmt_request *request, json_t *response),
				 void *owner);
/* Runs a request (taken over) now, as a part of the one that runs and with no other part of it.
 * answered() may be called from within.  False: out of memory. */
bool mgmt_run_part(json_t *json, void (*answered)(struct mgmt_request *request, json_t *response),
		   void *owner);
/* Requests that don't run yet are answered with an error; then idle(), at once or when the running
 * one has ended.  Nothing may be submitted any more. */
void mgmt_drain(void (*idle)(void));
/* The daemon ends: a request of many parts had better stop. */
bool mgmt_is_draining(void);

/* It worked; result (NULL: nothing to say) is taken over. */
void mgmt_done(struct mgmt_request *request, json_t *result);
/* The same with a result of members that are written between the two calls, into w; not for what
 * mgmt_run_part() runs. */
void mgmt_result_begin(struct writer *w);
void mgmt_result_done(struct mgmt_request *request, struct writer *w);

/*
 * It didn't.  rc is a positive errno, what tgtadm exits with; error is the line that it prints
 * first, which scripts know.  detail says which and why, in its second line, and for the log.
 */
void mgmt_fail(struct mgmt_request *request, int rc, const char *error, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* EINVAL, "invalid request": where users' scripts know that text. */
#define mgmt_invalid(request, ...) mgmt_fail(request, EINVAL, "invalid request", __VA_ARGS__)
/* EINVAL, "invalid request: which and why". */
void mgmt_refuse(struct mgmt_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An answer that isn't to a request: to a peer that may not, or a line that is none. */
json_t *mgmt_error(int rc, const char *error, const char *detail);

/* A JSON string of a text from outside, or cut short: when it isn't UTF-8, '?' for what isn't
 * ASCII. */
json_t *mgmt_text(const char *text);

/* Asks the daemon to end, once the answer to the request that runs is out. */
void mgmt_request_shutdown(void);

#endif
