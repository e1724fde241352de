/* SPDX-License-Identifier: MIT */
/* All of tgtd is in libtgt.so. */
#include "daemon/daemon.h"

int main(int argc, char **argv)
{
	return tgtd_main(argc, argv);
}
