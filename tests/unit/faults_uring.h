/* SPDX-License-Identifier: MIT */
/* Faults of io_uring: what of liburing isn't inline, defined by the test program (see faults.h). */
#ifndef TGT_TEST_FAULTS_URING_H
#define TGT_TEST_FAULTS_URING_H

/* Setup flags (IORING_SETUP_*) that this kernel shall not know: EINVAL. */
void uring_unknown_flags(unsigned int flags);
/* Those of the last ring that was made. */
unsigned int uring_ring_flags(void);
/* Requests of that opcode (IORING_OP_*) that were handed over since the last fault_clear(). */
unsigned int uring_count(int opcode);
/* Flags of the last of them: RWF_, IORING_FSYNC_, FALLOC_FL_. */
int uring_last_flags(int opcode);
/* Whether it was one for a registered file. */
int uring_last_was_fixed(int opcode);
/* Forgets all that, and fault_clear(). */
void uring_clear(void);

#endif
