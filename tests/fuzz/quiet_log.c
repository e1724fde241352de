/* SPDX-License-Identifier: MIT */
/* In place of util/log.c: lines are made, and thrown away. */
#include <stdio.h>

#include "util/log.h"

void log_open(bool to_syslog, bool debug)
{
	(void)to_syslog, (void)debug;
}

void log_set_debug(bool debug)
{
	(void)debug;
}

bool log_debug_enabled(void)
{
	return true;
}

void log_vmessage(int level, const char *format, va_list args)
{
	char line[1024];

	(void)level;
	vsnprintf(line, sizeof(line), format, args);
}

void log_message(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vmessage(level, format, args);
	va_end(args);
}
