/* SPDX-License-Identifier: MIT */
/* Begin and end of the iSCSI side. */
#include "iscsi/internal.h"
#include "iscsi/login.h"
#include "iscsi/portal.h"
#include "iscsi/session.h"
#include "util/log.h"

#define FORCED_MS 1000u /* after the running commands' time is up, for the sessions to end */

static struct {
	struct timer timer;
	void (*done)(void *arg);
	void *arg;
	bool forced;
} ending;

int iscsi_init(void)
{
	return 0;
}

static void finished(void *arg)
{
	void (*done)(void *arg) = ending.done;

	(void)arg;
	sessions_when_none(NULL, NULL);
	reactor_timer_cancel(&ending.timer);
	ending.done = NULL;
	if (done)
		done(ending.arg);
}

static void close_sessions(enum close_reason reason)
{
	list_for_each (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (!target)
			continue;
		list_for_each (info, &target->sessions, struct iscsi_session_info, link)
			session_request_close(info->session, reason);
	}
}

static void out_of_time(struct timer *timer)
{
	if (ending.forced) {
		log_warning("sessions that have not ended: %u; a store hangs", sessions_total());
		finished(NULL);
		return;
	}
	ending.forced = true;
	sessions_force_close();
	reactor_timer_arm(reactor_self(), timer, FORCED_MS);
}

void iscsi_shutdown(uint32_t timeout_ms, void (*done)(void *arg), void *arg)
{
	portals_close();
	list_for_each_safe (conn, control_conns(), struct conn, link) {
		if (conn->phase != CONN_HANDOVER)
			conn_close(conn, NULL);
	}
	ending.done = done;
	ending.arg = arg;
	ending.timer.fn = out_of_time;
	sessions_when_none(finished, NULL);
	close_sessions(CLOSE_SHUTDOWN);
	if (!sessions_total()) {
		finished(NULL);
		return;
	}
	reactor_timer_arm(reactor_self(), &ending.timer, timeout_ms);
}
