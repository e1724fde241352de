/* SPDX-License-Identifier: MIT */
/*
 * A lean iSCSI initiator for measurements: one thread, one session or several, a fixed queue depth
 * or a fixed rate, one send for all commands that can go and one recv for all answers that came. It
 * knows just enough of RFC 7143 to log in and to move data; data are looked at only with --verify,
 * or a data digest.
 */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "load.h"
#include "report.h"

/* A descriptor for each session; what there aren't, socket() says. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct session *sessions;

	options_parse(argc, argv);
	raise_file_limit();
	prctl(PR_SET_TIMERSLACK, 1); /* a sleep until an I/O is due ends then */
	sessions = calloc(opt.sessions, sizeof(*sessions));
	if (!sessions)
		die("calloc");
	sessions_open(sessions, opt.sessions);
	load_prepare(sessions);
	load_run(sessions);
	return report(&sessions[0]) ? 0 : 1;
}
