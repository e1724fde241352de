/* SPDX-License-Identifier: MIT */
/*
 * Makes the system fail where a module calls it: a test program that uses this defines the calls
 * below itself, and the dynamic linker prefers them to the C library's (the program must be linked
 * with ENABLE_EXPORTS).  Without a fault they do what they always do.  Faults are set between
 * requests.
 */
#ifndef TGT_TEST_FAULTS_H
#define TGT_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

enum fault_call {
	FAULT_PREAD,
	FAULT_PREADV,
	FAULT_PREADV2,
	FAULT_PWRITEV2,
	FAULT_FDATASYNC,
	FAULT_FALLOCATE,
	FAULT_LSEEK,
	FAULT_STATX,
	FAULT_IO_SETUP,
	FAULT_IO_SUBMIT, /* error: of the call; limit: iocbs taken of one batch */
	FAULT_IO_EVENT,  /* error: of the request; limit: bytes it moved */
	/* faults_uring.c */
	FAULT_URING_SETUP,
	FAULT_URING_ENTER,    /* error: of the call; limit: requests taken by one call */
	FAULT_URING_CQE,      /* error: of the request; limit: bytes it moved */
	FAULT_URING_SPARSE,   /* a table for memory */
	FAULT_URING_REGISTER, /* memory in it */
	FAULT_CALLS
};

struct fault {
	int error;          /* errno that it fails with; 0: it doesn't fail */
	unsigned int skip;  /* calls that pass first */
	unsigned int times; /* calls that it then hits; 0: all */
	size_t limit;       /* moves no more bytes than that; 0: no limit */
	int only_flags;     /* hits only calls with all these RWF_, FALLOC_FL_ flags (0: any) */
	/* IO_SUBMIT: hits only batches that start with that command + 1; URING_CQE: only requests
	 * of that opcode + 1 (0: any) */
	int command;
};

void fault_set(enum fault_call call, struct fault fault);
void fault_clear(void);
/* Calls since the last fault_clear(), whether hit or not. */
unsigned int fault_count(enum fault_call call);
/* Flags of the last such call: RWF_, FALLOC_FL_; of the last iocb submitted. */
int fault_last_flags(enum fault_call call);
/* Largest number of requests that the kernel held for one aio context or ring since the last clear.
 */
unsigned int fault_max_in_flight(void);

/* For those who stand in front of other libraries.  Counts the call; true when *fault hits it. */
bool fault_hit(enum fault_call call, int flags, int command, struct fault *fault);
/* The kernel now holds so many requests. */
void fault_held(unsigned int requests);

#endif
