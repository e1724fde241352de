/* SPDX-License-Identifier: MIT */
/* What the fuzzers share.  Each is one LLVMFuzzerTestOneInput(), run by driver.c or by libFuzzer.
 */
#ifndef TGT_TESTS_FUZZ_H
#define TGT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process when what must hold doesn't; also where NDEBUG is defined. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_failed(#condition, __FILE__, __LINE__);                               \
	} while (0)
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* An input that is taken apart from its front; zeroes when it is used up. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

uint8_t fuzz_byte(struct fuzz_input *in);
uint16_t fuzz_be16(struct fuzz_input *in);
uint32_t fuzz_be32(struct fuzz_input *in);
/* At most want bytes of it; *len is how many. */
const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t want, size_t *len);
/* The same, in memory of their own of exactly that size (never NULL), so that a sanitizer sees one
 * byte too far; the caller frees it. */
uint8_t *fuzz_copy(struct fuzz_input *in, size_t want, size_t *len);
/* The same as a text: cut at its first NUL. */
char *fuzz_text(struct fuzz_input *in, size_t want);
/* What is left, as a text. */
static inline char *fuzz_rest_text(struct fuzz_input *in)
{
	return fuzz_text(in, in->left);
}

#endif
