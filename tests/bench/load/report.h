/* SPDX-License-Identifier: MIT */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "load.h"

/* One line of JSON; false if something was wrong. */
bool report(const struct session *first);

#endif
