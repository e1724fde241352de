/* SPDX-License-Identifier: MIT */
#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define WANTED_FILES 1048576

static int ready_fd = -1;
static char pid_path[PATH_MAX];

/* The parent: waits for the byte that says ready. */
static void wait_for_child(int fd)
{
	char byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

int background_enter(void)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
		int rc = -errno;

		log_err("can't go into the background: %s", strerror(-rc));
		return rc;
	}
	if (pid) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	ready_fd = fds[1];
	setsid();
	return 0;
}

void background_ready(void)
{
	CLEANUP_CLOSE int null = -1;

	if (ready_fd < 0)
		return;
	if (chdir("/"))
		log_warning("chdir(\"/\"): %s", strerror(errno));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (write(ready_fd, "", 1) != 1)
		log_warning("whoever started the daemon has gone");
	close(ready_fd);
	ready_fd = -1;
}

static int write_pid(const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	char text[32];
	int len;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (write(fd, text, (size_t)len) != len)
		return -EIO;
	return realpath(path, pid_path) ? 0 : -errno;
}

int pid_file_write(const char *path)
{
	int rc = write_pid(path);

	if (rc)
		log_err("pid file %s: %s", path, strerror(-rc));
	return rc;
}

void pid_file_remove(void)
{
	if (*pid_path)
		unlink(pid_path);
	*pid_path = '\0';
}

void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_max < WANTED_FILES) {
		struct rlimit more = {WANTED_FILES, WANTED_FILES};

		/* needs a privilege that we may not have */
		if (!setrlimit(RLIMIT_NOFILE, &more))
			return;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warning("the limit of open files stays low: %s", strerror(errno));
}

void notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = -1;
	socklen_t len;

	if (!path || !*path)
		return;
	if ((*path != '/' && *path != '@') || strlen(path) >= sizeof(addr.sun_path)) {
		log_warning("NOTIFY_SOCKET=%s: no socket's address", path);
		return;
	}
	strcpy(addr.sun_path, path);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (*path == '@')
		addr.sun_path[0] = '\0'; /* abstract, unix(7) */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		log_warning("NOTIFY_SOCKET=%s: %s", path, strerror(errno));
}
