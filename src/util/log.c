/* SPDX-License-Identifier: MIT */
#include "util/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool use_syslog;
static atomic_bool debug_on;

void log_open(bool to_syslog, bool debug)
{
	use_syslog = to_syslog;
	if (to_syslog)
		openlog("tgtd", LOG_PID | LOG_PERROR, LOG_DAEMON);
	log_set_debug(debug);
}

void log_set_debug(bool debug)
{
	atomic_store_explicit(&debug_on, debug, memory_order_relaxed);
}

bool log_debug_enabled(void)
{
	return atomic_load_explicit(&debug_on, memory_order_relaxed);
}

static const char *level_name(int level)
{
	if (level <= LOG_ERR)
		return "error: ";
	return level == LOG_WARNING ? "warning: " : level == LOG_DEBUG ? "debug: " : "";
}

void log_vmessage(int level, const char *format, va_list args)
{
	char line[1024];
	int len;

	if (level == LOG_DEBUG && !log_debug_enabled())
		return;
	if (use_syslog) {
		vsyslog(level, format, args);
		return;
	}
	len = snprintf(line, sizeof(line), "tgtd: %s", level_name(level));
	vsnprintf(line + len, sizeof(line) - (size_t)len - 1, format, args);
	/* one write a line, so that threads' lines don't mix */
	strcat(line, "\n");
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* nobody left to tell */
}

void log_message(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vmessage(level, format, args);
	va_end(args);
}
