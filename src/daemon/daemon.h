/* SPDX-License-Identifier: MIT */
/* The daemon as a whole: the topmost layer. */
#ifndef TGT_DAEMON_DAEMON_H
#define TGT_DAEMON_DAEMON_H

/* main() of tgtd; returns its exit status. */
__attribute__((visibility("default"))) int tgtd_main(int argc, char **argv);

#endif
