/* SPDX-License-Identifier: MIT */
/*
 * check_store [-n] MODULE.so [PATH [BSOPTS]]: runs the contract checks on a block store of
 * anybody's. PATH is a medium of at least 4 MiB whose content is lost.  -n: it doesn't keep what is
 * written. Exit 0: all hold, 1: some don't, 2: usage.
 */
#include <stdio.h>
#include <string.h>

#include "block_checks.h"

int main(int argc, char **argv)
{
	struct block_subject subject = {0};

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		subject.forgets = true;
		argc--;
		argv++;
	}
	if (argc < 2 || argc > 4 || *argv[1] == '-') {
		fprintf(stderr, "usage: check_store [-n] MODULE.so [PATH [BSOPTS]]\n");
		return 2;
	}
	subject.module = argv[1];
	subject.path = argc > 2 && *argv[2] ? argv[2] : NULL;
	subject.bsopts = argc > 3 ? argv[3] : NULL;
	return block_checks_run(&subject) ? 1 : 0;
}
