/* SPDX-License-Identifier: MIT */
/* CHAP (RFC 1994, RFC 7143 12.1.3), the target's side: arithmetic only, no PDUs, no accounts. */
#ifndef TGT_ISCSI_CHAP_H
#define TGT_ISCSI_CHAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAP_MAX_DIGEST 32u
#define CHAP_MAX_CHALLENGE 1024u /* what an initiator may send (RFC 7143 12.1.3) */
#define CHAP_CHALLENGE 32u       /* what this target sends */

/* Algorithms by their IANA number. */
enum chap_algorithm { CHAP_MD5 = 5, CHAP_SHA1 = 6, CHAP_SHA256 = 7, CHAP_SHA3_256 = 8 };

/* The strongest algorithm of a CHAP_A list that works here; 0: none.  RFC 7143 12.1.3 has the
 * target take any one of those proposed, and libcrypto may lack some. */
unsigned chap_choose(const char *list);

/* The response: hash of identifier, secret and challenge.  Its length, or 0 when the algorithm
 * fails. */
size_t chap_response(unsigned algorithm, uint8_t identifier, const char *secret,
		     const uint8_t *challenge, size_t challenge_len, uint8_t *out);

/*
 * Whether the response is that of secret, in constant time.  secret NULL (no such user): the same
 * work, and false.
 */
bool chap_verify(unsigned algorithm, uint8_t identifier, const char *secret,
		 const uint8_t *challenge, size_t challenge_len, const uint8_t *response,
		 size_t response_len);

/* Fills a new challenge and identifier; false: no randomness. */
bool chap_challenge(uint8_t *identifier, uint8_t *challenge, size_t len);

#endif
