/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: one line an event, for the operator: what, which and why.  To stderr in the
 * foreground, else to syslog.  Any thread.
 */
#ifndef TGT_UTIL_LOG_H
#define TGT_UTIL_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

/* to_syslog: else stderr.  debug: LOG_DEBUG lines too. */
void log_open(bool to_syslog, bool debug);
void log_set_debug(bool debug);
bool log_debug_enabled(void);

/* level is one of syslog's LOG_*.  No secrets, no data from the wire that aren't printable. */
void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_vmessage(int level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#define log_err(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_debug_enabled())                                                           \
			log_message(LOG_DEBUG, __VA_ARGS__);                                       \
	} while (0)

#endif
