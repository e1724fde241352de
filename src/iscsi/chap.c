/* SPDX-License-Identifier: MIT */
#include "iscsi/chap.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "iscsi/text.h"
#include "util/cleanup.h"

struct algorithm {
	unsigned number;
	const char *name; /* libcrypto's */
};

/* Strongest first. */
static const struct algorithm algorithms[] = {
    {CHAP_SHA3_256, "SHA3-256"}, {CHAP_SHA256, "SHA256"}, {CHAP_SHA1, "SHA1"}, {CHAP_MD5, "MD5"}};

static EVP_MD *fetch(unsigned number)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (algorithms[i].number == number)
			return EVP_MD_fetch(NULL, algorithms[i].name, NULL);
	}
	return NULL;
}

static bool works(unsigned number)
{
	EVP_MD *md = fetch(number);

	EVP_MD_free(md);
	return md != NULL;
}

static bool list_has(const char *list, unsigned number)
{
	char item[16];
	uint64_t n;

	while (text_list_next(&list, item, sizeof(item))) {
		if (text_number(item, 255, &n) && n == number)
			return true;
	}
	return false;
}

unsigned chap_choose(const char *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (list_has(list, algorithms[i].number) && works(algorithms[i].number))
			return algorithms[i].number;
	}
	return 0;
}

size_t chap_response(unsigned algorithm, uint8_t identifier, const char *secret,
		     const uint8_t *challenge, size_t challenge_len, uint8_t *out)
{
	EVP_MD *md = fetch(algorithm);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len = 0;

	if (!md || !ctx || !EVP_DigestInit_ex(ctx, md, NULL) ||
	    !EVP_DigestUpdate(ctx, &identifier, 1) ||
	    !EVP_DigestUpdate(ctx, secret, strlen(secret)) ||
	    !EVP_DigestUpdate(ctx, challenge, challenge_len) || !EVP_DigestFinal_ex(ctx, out, &len))
		len = 0;
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return len;
}

bool chap_verify(unsigned algorithm, uint8_t identifier, const char *secret,
		 const uint8_t *challenge, size_t challenge_len, const uint8_t *response,
		 size_t response_len)
{
	uint8_t want[CHAP_MAX_DIGEST];
	size_t len = chap_response(algorithm, identifier, secret ? secret : "no such account",
				   challenge, challenge_len, want);
	bool same = len && len == response_len && CRYPTO_memcmp(want, response, len) == 0;

	OPENSSL_cleanse(want, sizeof(want));
	return same && secret;
}

bool chap_challenge(uint8_t *identifier, uint8_t *challenge, size_t len)
{
	return RAND_bytes(identifier, 1) == 1 && RAND_bytes(challenge, (int)len) == 1;
}
