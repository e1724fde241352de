/* SPDX-License-Identifier: MIT */
#include "mgmt/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "mgmt/mgmt.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DEFAULT_SOCKET "/run/tgtd/socket"

char *mgmt_socket_path(unsigned int port)
{
	const char *base = getenv("TGT_IPC_SOCKET");
	char *path;

	if (asprintf(&path, "%s.%u", base && *base ? base : DEFAULT_SOCKET, port) < 0)
		return NULL;
	return path;
}

static int fill_address(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

static int make_folder(const char *path)
{
	CLEANUP_FREE char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!folder)
		return -ENOMEM;
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	if (mkdir(folder, 0755) && errno != EEXIST)
		return -errno;
	return 0;
}

/* Locks the file that the path names; a daemon that ends may have removed the one that was opened
 * (then: -EAGAIN). */
static int try_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat ours, named;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		rc = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	else if (fstat(fd, &ours) || stat(path, &named) || ours.st_ino != named.st_ino ||
		 ours.st_dev != named.st_dev)
		rc = -EAGAIN;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static int lock_path(const char *path)
{
	int fd = -EAGAIN;

	for (int tries = 0; fd == -EAGAIN && tries < 100; tries++)
		fd = try_lock(path);
	return fd;
}

/* Also a daemon that knows nothing of our lock may listen there. */
static bool somebody_listens(const struct sockaddr_un *addr)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	return !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN;
}

static int bind_socket(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	if (fd < 0)
		return -errno;
	if (unlink(addr->sun_path) && errno != ENOENT) {
		rc = -errno;
		goto fail;
	}
	/* the mode must be right from the start, not after a chmod() */
	mask = umask(0177);
	rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	umask(mask);
	if (!rc)
		return fd;
fail:
	close(fd);
	return rc;
}

static int claim(struct mgmt_socket *s, const char *path)
{
	struct sockaddr_un addr;
	int rc = fill_address(&addr, path);

	if (!rc)
		rc = make_folder(path);
	if (rc)
		return rc;
	if (!s->path || asprintf(&s->lock_path, "%s.lock", path) < 0) {
		s->lock_path = NULL;
		return -ENOMEM;
	}
	s->lock_fd = lock_path(s->lock_path);
	if (s->lock_fd < 0)
		return s->lock_fd;
	if (somebody_listens(&addr))
		return -EADDRINUSE;
	s->fd = bind_socket(&addr);
	return s->fd < 0 ? s->fd : 0;
}

int mgmt_socket_claim(struct mgmt_socket *s, const char *path)
{
	int rc;

	*s = (struct mgmt_socket){.path = strdup(path), .lock_fd = -1, .fd = -1};
	rc = claim(s, path);
	if (!rc)
		return 0;
	if (rc == -EADDRINUSE)
		log_err("another tgtd serves %s; use another control port (-C)", path);
	else
		log_err("management socket %s: %s", path, strerror(-rc));
	mgmt_socket_release(s);
	return rc;
}

void mgmt_socket_hide(struct mgmt_socket *s)
{
	if (s->fd < 0)
		return;
	unlink(s->path);
	close(s->fd);
	s->fd = -1;
}

void mgmt_socket_release(struct mgmt_socket *s)
{
	mgmt_socket_hide(s);
	if (s->lock_fd >= 0) {
		unlink(s->lock_path);
		close(s->lock_fd);
	}
	free(s->lock_path);
	free(s->path);
	*s = (struct mgmt_socket){.lock_fd = -1, .fd = -1};
}

bool mgmt_peer_allowed(int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	*uid = (uid_t)-1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || len != sizeof(peer))
		return false;
	*uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid();
}
