/* SPDX-License-Identifier: MIT */
/*
 * The management socket: JSON requests, one a line, become operations; see
 * doc/management-protocol.md.  All of it lives on the control reactor (number 0).
 */
#ifndef TGT_MGMT_MGMT_H
#define TGT_MGMT_MGMT_H

/* Where the socket of a control port is: TGT_IPC_SOCKET or the built-in path, and ".<port>".  NULL:
 * out of memory.  The caller frees it. */
char *mgmt_socket_path(unsigned int port);

/*
 * Takes possession of the path: makes its folder, refuses when another daemon has it, removes what
 * a dead one left, binds.  Nobody can connect yet.  0, or -errno after a log line that says why.
 * Needs no reactor.
 */
int mgmt_open(const char *path);

/* From now on requests are served.  shutdown() is called, once, when one asks the daemon to end.  0
 * or -errno after a log line. */
int mgmt_serve(void (*shutdown)(void));

/* Nobody can connect any more and no request that isn't running yet will run; then done(), at once
 * or when the running one has ended. */
void mgmt_stop(void (*done)(void));

/* Ends the connections and gives the path up.  Harmless when nothing is open. */
void mgmt_close(void);

#endif
