/* SPDX-License-Identifier: MIT */
/* CHAP: RFC 1994 4.1, RFC 7143 12.1.3, the algorithms by their IANA numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/chap.h"
#include "iscsi/text.h"
#include "util/cleanup.h"

#define SECRET "MyDiscoverySecret"
#define IDENTIFIER 0x27

/* The response to IDENTIFIER, SECRET and the challenge 10h … 2Fh: computed with another
 * implementation. */
static const struct {
	unsigned algorithm;
	const char *response;
} vectors[] = {
    {CHAP_MD5, "0x80dfd459e34558e1e434ed7119014da2"},
    {CHAP_SHA1, "0x895e9b8a2bedae31400320ce1f7ba59674c98f45"},
    {CHAP_SHA256, "0x9d9b2e436172e3f17450b7f765a588cef3018f493f009e80c24959c44cc0ba24"},
    {CHAP_SHA3_256, "0x974af0792a2257411010267b433869973ccf7ebfff16e0b66d5f1a608e4f0138"},
};

static uint8_t challenge[32];

static int set_challenge(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(challenge); i++)
		challenge[i] = (uint8_t)(0x10 + i);
	return 0;
}

static void test_responses(void **state)
{
	uint8_t want[CHAP_MAX_DIGEST], out[CHAP_MAX_DIGEST];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		int len = text_binary(vectors[i].response, want, sizeof(want));

		assert_int_equal(chap_response(vectors[i].algorithm, IDENTIFIER, SECRET, challenge,
					       sizeof(challenge), out),
				 len);
		assert_memory_equal(out, want, (size_t)len);
	}
	assert_int_equal(chap_response(4, IDENTIFIER, SECRET, challenge, 32, out), 0);
}

static bool verify(unsigned algorithm, const char *secret, const char *response)
{
	uint8_t bytes[CHAP_MAX_DIGEST];
	int len = text_binary(response, bytes, sizeof(bytes));

	assert_true(len > 0);
	return chap_verify(algorithm, IDENTIFIER, secret, challenge, sizeof(challenge), bytes,
			   (size_t)len);
}

static void test_verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		assert_true(verify(vectors[i].algorithm, SECRET, vectors[i].response));
		assert_false(verify(vectors[i].algorithm, SECRET "x", vectors[i].response));
		assert_false(verify(vectors[i].algorithm, NULL, vectors[i].response));
	}
	/* too short, and of another algorithm */
	assert_false(verify(CHAP_MD5, SECRET, "0x80dfd459e34558e1e434ed7119014d"));
	assert_false(verify(CHAP_SHA3_256, SECRET, vectors[2].response));
}

/* What an unknown user's response is compared with must not be a password that works. */
static void test_unknown_user(void **state)
{
	uint8_t out[CHAP_MAX_DIGEST];
	size_t len = chap_response(CHAP_MD5, IDENTIFIER, "no such account", challenge, 32, out);

	(void)state;
	assert_int_equal(len, 16);
	assert_false(chap_verify(CHAP_MD5, IDENTIFIER, NULL, challenge, 32, out, len));
}

static void test_choice(void **state)
{
	(void)state;
	assert_int_equal(chap_choose("8,7,6,5"), CHAP_SHA3_256);
	assert_int_equal(chap_choose("5,6,7,8"), CHAP_SHA3_256);
	assert_int_equal(chap_choose("5,7"), CHAP_SHA256);
	assert_int_equal(chap_choose("6,5"), CHAP_SHA1);
	assert_int_equal(chap_choose("5"), CHAP_MD5);
	assert_int_equal(chap_choose("4,9,0x5"), CHAP_MD5);
	assert_int_equal(chap_choose("4"), 0);
	assert_int_equal(chap_choose(""), 0);
	assert_int_equal(chap_choose("55"), 0);
	assert_int_equal(chap_choose("MD5"), 0);
}

static void test_challenges_differ(void **state)
{
	uint8_t a[CHAP_CHALLENGE] = {0}, b[CHAP_CHALLENGE] = {0}, id;

	(void)state;
	assert_true(chap_challenge(&id, a, sizeof(a)));
	assert_true(chap_challenge(&id, b, sizeof(b)));
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_responses, set_challenge),
	    cmocka_unit_test_setup(test_verify, set_challenge),
	    cmocka_unit_test_setup(test_unknown_user, set_challenge),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_challenges_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
