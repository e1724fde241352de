/* SPDX-License-Identifier: MIT */
/* The file side of the management socket: who owns its path, and who may connect. */
#ifndef TGT_MGMT_SOCKET_H
#define TGT_MGMT_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct mgmt_socket {
	char *path, *lock_path;
	int lock_fd; /* locked as long as the daemon owns the path */
	int fd;      /* bound, not listening yet */
};

/* 0, or -errno after a log line; then nothing is held. */
int mgmt_socket_claim(struct mgmt_socket *socket, const char *path);
/* Nobody finds the socket any more; the path is still owned. */
void mgmt_socket_hide(struct mgmt_socket *socket);
void mgmt_socket_release(struct mgmt_socket *socket);

/* Only root and the daemon's own user manage it (SO_PEERCRED); *uid is the peer's, or -1 when it
 * can't be told. */
bool mgmt_peer_allowed(int fd, uid_t *uid);

#endif
