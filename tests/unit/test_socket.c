/* SPDX-License-Identifier: MIT */
/* Who owns the path of the management socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/mgmt.h"
#include "mgmt/socket.h"
#include "temp_dir.h"
#include "util/cleanup.h"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A socket that somebody left, or (listening) still has. */
static int other_socket(const char *path, bool listening)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void a_path_has_one_owner(void **state)
{
	const char *path = temp_path("one.0");
	struct mgmt_socket first, second;
	struct stat st;

	(void)state;
	assert_int_equal(mgmt_socket_claim(&first, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	/* also before it listens */
	assert_int_equal(mgmt_socket_claim(&second, path), -EADDRINUSE);
	assert_true(exists(path));
	/* hidden, the path is still owned */
	mgmt_socket_hide(&first);
	assert_false(exists(path));
	assert_int_equal(mgmt_socket_claim(&second, path), -EADDRINUSE);
	mgmt_socket_release(&first);
	assert_int_equal(mgmt_socket_claim(&second, path), 0);
	mgmt_socket_release(&second);
	assert_false(exists(path));
	assert_false(exists(temp_path("one.0.lock")));
}

static void what_a_dead_daemon_left_is_replaced(void **state)
{
	const char *path = temp_path("stale.0");
	struct mgmt_socket s;
	struct stat before, after;

	(void)state;
	close(other_socket(path, false));
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(mgmt_socket_claim(&s, path), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0600);
	mgmt_socket_release(&s);
}

static void a_listener_without_lock_is_left_alone(void **state)
{
	const char *path = temp_path("foreign.0");
	CLEANUP_CLOSE __attribute__((unused)) int fd = other_socket(path, true);
	struct mgmt_socket s;

	(void)state;
	assert_int_equal(mgmt_socket_claim(&s, path), -EADDRINUSE);
	assert_true(exists(path));
	assert_false(exists(temp_path("foreign.0.lock")));
	unlink(path);
}

static void places_that_cannot_be(void **state)
{
	char path[200];
	struct mgmt_socket s;

	(void)state;
	assert_int_equal(mgmt_socket_claim(&s, temp_path("a/b/c.0")), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mgmt_socket_claim(&s, path), -ENAMETOOLONG);
	/* what isn't ours isn't followed */
	assert_int_equal(symlink("/dev/null", temp_path("link.0.lock")), 0);
	assert_int_equal(mgmt_socket_claim(&s, temp_path("link.0")), -ELOOP);
}

static void the_folder_is_made(void **state)
{
	struct mgmt_socket s;

	(void)state;
	assert_int_equal(mgmt_socket_claim(&s, temp_path("new/s.0")), 0);
	mgmt_socket_release(&s);
	assert_true(exists(temp_path("new")));
}

static void peers_have_credentials(void **state)
{
	int fds[2];
	uid_t uid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_true(mgmt_peer_allowed(fds[0], &uid));
	assert_int_equal(uid, geteuid());
	close(fds[0]);
	close(fds[1]);
	assert_false(mgmt_peer_allowed(STDIN_FILENO, &uid));
	assert_int_equal(uid, (uid_t)-1);
}

static void the_environment_names_the_path(void **state)
{
	char *path;

	(void)state;
	unsetenv("TGT_IPC_SOCKET");
	path = mgmt_socket_path(0);
	assert_string_equal(path, "/run/tgtd/socket.0");
	free(path);
	setenv("TGT_IPC_SOCKET", "/x/y", 1);
	path = mgmt_socket_path(65535);
	assert_string_equal(path, "/x/y.65535");
	free(path);
	setenv("TGT_IPC_SOCKET", "", 1);
	path = mgmt_socket_path(7);
	assert_string_equal(path, "/run/tgtd/socket.7");
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_path_has_one_owner),
	    cmocka_unit_test(what_a_dead_daemon_left_is_replaced),
	    cmocka_unit_test(a_listener_without_lock_is_left_alone),
	    cmocka_unit_test(places_that_cannot_be),
	    cmocka_unit_test(the_folder_is_made),
	    cmocka_unit_test(peers_have_credentials),
	    cmocka_unit_test(the_environment_names_the_path),
	};

	/* a terminal or pipe there would do as well; a file never has a peer */
	if (!freopen("/dev/null", "r", stdin))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
