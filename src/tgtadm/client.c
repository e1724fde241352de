/* SPDX-License-Identifier: MIT */
#include "tgtadm/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"

#define DEFAULT_SOCKET "/run/tgtd/socket"

static int fill_address(struct sockaddr_un *addr, unsigned int port)
{
	const char *base = getenv("TGT_IPC_SOCKET");
	int len;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s.%u",
		       base && *base ? base : DEFAULT_SOCKET, port);
	return (size_t)len < sizeof(addr->sun_path) ? 0 : ENAMETOOLONG;
}

static int complain(const struct sockaddr_un *addr, int error)
{
	/* nobody there: stgt's text, which scripts know */
	if (error == ENOENT || error == ECONNREFUSED) {
		fprintf(stderr, "tgtadm: failed to send request hdr to tgt daemon, %s\n",
			strerror(ENOTCONN));
		return ENOTCONN;
	}
	fprintf(stderr, "tgtadm: can't talk to tgtd at %s: %s\n", addr->sun_path, strerror(error));
	return error;
}

/* A daemon that refuses us answers without reading: so a failed send is no reason not to read. */
static void send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Reads to the end of a line; NULL: the daemon closed before it, or errno says why. */
static char *read_line(int fd, size_t *len)
{
	size_t size = 65536;
	char *line = malloc(size);

	*len = 0;
	errno = 0;
	while (line) {
		ssize_t n = recv(fd, line + *len, size - *len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
		if (line[*len - 1] == '\n')
			return line;
		if (*len == size) {
			char *larger = realloc(line, size *= 2);

			if (!larger)
				break;
			line = larger;
		}
	}
	free(line);
	return NULL;
}

int adm_no_answer(unsigned int control_port)
{
	struct sockaddr_un addr;

	fill_address(&addr, control_port);
	return complain(&addr, EBADMSG);
}

char *adm_ask_text(unsigned int control_port, const json_t *request, size_t *len, int *rc)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP_FREE char *text = NULL;
	struct sockaddr_un addr;
	int error = fill_address(&addr, control_port);
	char *line;

	if (!error && (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr))))
		error = errno;
	if (!error) {
		text = json_dumps(request, JSON_COMPACT);
		error = text ? 0 : ENOMEM;
	}
	if (error) {
		*rc = complain(&addr, error);
		return NULL;
	}
	send_all(fd, text, strlen(text));
	send_all(fd, "\n", 1);
	line = read_line(fd, len);
	if (!line)
		*rc = complain(&addr, errno ? errno : ECONNRESET);
	return line;
}

json_t *adm_ask(unsigned int control_port, const json_t *request, int *rc)
{
	size_t len;
	CLEANUP_FREE char *text = adm_ask_text(control_port, request, &len, rc);
	json_t *answer = text ? json_loadb(text, len, 0, NULL) : NULL;

	if (!text || json_is_integer(json_object_get(answer, "rc")))
		return answer;
	*rc = adm_no_answer(control_port);
	json_decref(answer);
	return NULL;
}

const char *adm_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

json_int_t adm_number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}
