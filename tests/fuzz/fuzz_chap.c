/* SPDX-License-Identifier: MIT */
/* The security stage (RFC 7143 12): nobody who doesn't know the secret gets through. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "iscsi/control.h"
#include "iscsi/login_state.h"

#define SECRET "a secret that is long enough"

static struct iscsi_target target;

static void prepare(void)
{
	static bool prepared;

	if (prepared)
		return;
	prepared = true;
	list_init(&target.accounts);
	must(!iscsi_account_add("joe", SECRET));
	must(!iscsi_account_add("target", "another long secret of the target"));
	must(!iscsi_account_bind(&target, "joe", false));
	must(!iscsi_account_bind(&target, "target", true));
}

static bool collect(char *text, size_t len, struct pairs *pairs)
{
	struct text_in in = text_in(text, len);
	struct pair p;

	pairs->count = 0;
	while (text_next(&in, &p.key, &p.value) == TEXT_PAIR && pairs->count < PAIRS_MAX)
		pairs->at[pairs->count++] = p;
	return pairs->count;
}

/* One request; false: the login has failed. */
static bool request(struct login *l, struct fuzz_input *in)
{
	char answer[2048];
	struct text_out out = {.data = answer, .size = sizeof(answer)};
	uint8_t head = fuzz_byte(in);
	bool transit = head & 1;
	struct pairs pairs;
	size_t len;
	char *text = (char *)fuzz_copy(in, fuzz_be16(in), &len);
	unsigned status;

	l->rounds++;
	collect(text, len, &pairs);
	status = security_process(l, &pairs, &out, &transit);
	must(!l->needs_chap || (!l->authenticated && (status || !transit)));
	must(!out.overflow && !memmem(answer, out.len, SECRET, strlen(SECRET)));
	free(text);
	return !status;
}

static void responses(struct fuzz_input *in)
{
	uint8_t digest[CHAP_MAX_DIGEST], right[CHAP_MAX_DIGEST];
	unsigned algorithm = fuzz_byte(in);
	uint8_t identifier = fuzz_byte(in);
	size_t len, challenge_len, n;
	uint8_t *response = fuzz_copy(in, fuzz_byte(in), &len);
	uint8_t *challenge = fuzz_copy(in, in->left, &challenge_len);

	n = chap_response(algorithm, identifier, SECRET, challenge, challenge_len, right);
	must(n <= CHAP_MAX_DIGEST);
	memcpy(digest, right, n);
	must(chap_verify(algorithm, identifier, SECRET, challenge, challenge_len, response, len) ==
	     (n && n == len && !memcmp(right, response, n)));
	must(!chap_verify(algorithm, identifier, NULL, challenge, challenge_len, digest, n));
	free(challenge);
	free(response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct login l = {.target = &target};
	uint8_t how = fuzz_byte(&in);

	prepare();
	if (how & 1) {
		responses(&in);
		return 0;
	}
	l.needs_chap = !(how & 2);
	while (in.left && request(&l, &in))
		;
	return 0;
}
