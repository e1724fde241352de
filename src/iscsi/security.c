/* SPDX-License-Identifier: MIT */
/* The security stage of a login (RFC 7143 12): AuthMethod, and CHAP one-way or mutual. */
#include <openssl/crypto.h>
#include <string.h>

#include "iscsi/access.h"
#include "iscsi/login_state.h"

bool security_key(const char *key)
{
	return !strcmp(key, "AuthMethod") || !strncmp(key, "CHAP_", 5);
}

static unsigned fail(struct login *l, unsigned status, const char *why)
{
	l->why = why;
	return status;
}

static bool list_has(const char *list, const char *what)
{
	char item[32];

	while (text_list_next(&list, item, sizeof(item))) {
		if (!strcmp(item, what))
			return true;
	}
	return false;
}

static unsigned choose_method(struct login *l, const char *offer, struct text_out *out)
{
	const char *method = l->needs_chap ? "CHAP" : "None";

	if (!list_has(offer, method))
		return fail(l, LOGIN_AUTH_FAILURE,
			    l->needs_chap
				? "CHAP is required and was not offered"
				: "it insists on authentication, but no account is bound");
	text_add(out, "AuthMethod", method);
	l->chap_step = l->needs_chap ? CHAP_ALGORITHM : CHAP_DONE;
	l->authenticated = !l->needs_chap;
	return 0;
}

static unsigned choose_algorithm(struct login *l, const char *list, struct text_out *out)
{
	char hex[2 * CHAP_CHALLENGE + 3];

	if (!list)
		return fail(l, LOGIN_MISSING_PARAMETER, "CHAP_A is missing");
	l->chap_algorithm = chap_choose(list);
	if (!l->chap_algorithm)
		return fail(l, LOGIN_AUTH_FAILURE, "no CHAP algorithm in common");
	if (!chap_challenge(&l->chap_identifier, l->chap_challenge, CHAP_CHALLENGE))
		return fail(l, LOGIN_TARGET_ERROR, "no random numbers");
	text_hex(hex, l->chap_challenge, CHAP_CHALLENGE);
	text_add_number(out, "CHAP_A", l->chap_algorithm);
	text_add_number(out, "CHAP_I", l->chap_identifier);
	text_add(out, "CHAP_C", hex);
	l->chap_step = CHAP_RESPONSE;
	return 0;
}

/* The target's proof, when the initiator asks for one (12.1.3). */
static unsigned authenticate_target(struct login *l, const struct pairs *pairs, const char *secret,
				    struct text_out *out)
{
	const struct iscsi_account *account = access_outgoing(l->target);
	const char *identifier = pair_value(pairs, "CHAP_I"),
		   *challenge = pair_value(pairs, "CHAP_C");
	uint8_t bytes[CHAP_MAX_CHALLENGE], digest[CHAP_MAX_DIGEST];
	char hex[2 * CHAP_MAX_DIGEST + 3];
	uint64_t number;
	size_t digest_len;
	int len;

	if (!identifier && !challenge)
		return 0;
	if (!account)
		return fail(l, LOGIN_AUTH_FAILURE,
			    "it wants the target to authenticate itself, and "
			    "no outgoing account is bound");
	if (!identifier || !challenge || !text_number(identifier, 255, &number))
		return fail(l, LOGIN_INITIATOR_ERROR, "CHAP_I or CHAP_C is missing or malformed");
	len = text_binary(challenge, bytes, sizeof(bytes));
	if (len < 1)
		return fail(l, LOGIN_INITIATOR_ERROR, "CHAP_C is malformed");
	/* 12.1.3: no reflection: neither our own challenge, nor one secret for both directions */
	if ((size_t)len == CHAP_CHALLENGE &&
	    !CRYPTO_memcmp(bytes, l->chap_challenge, CHAP_CHALLENGE))
		return fail(l, LOGIN_AUTH_FAILURE, "it sent the target's own challenge back");
	if (!strcmp(account->password, secret))
		return fail(l, LOGIN_AUTH_FAILURE,
			    "the incoming and the outgoing account have the same password");
	digest_len = chap_response(l->chap_algorithm, (uint8_t)number, account->password, bytes,
				   (size_t)len, digest);
	if (!digest_len)
		return fail(l, LOGIN_TARGET_ERROR, "the CHAP algorithm failed");
	text_hex(hex, digest, digest_len);
	text_add(out, "CHAP_N", account->user);
	text_add(out, "CHAP_R", hex);
	return 0;
}

static unsigned check_response(struct login *l, const struct pairs *pairs, struct text_out *out)
{
	const char *user = pair_value(pairs, "CHAP_N"), *response = pair_value(pairs, "CHAP_R");
	uint8_t bytes[CHAP_MAX_DIGEST];
	const char *secret;
	unsigned status;
	int len;

	if (!user || !response)
		return fail(l, LOGIN_MISSING_PARAMETER, "CHAP_N or CHAP_R is missing");
	len = text_binary(response, bytes, sizeof(bytes));
	if (len < 1)
		return fail(l, LOGIN_AUTH_FAILURE, "CHAP_R is malformed");
	secret = access_password(l->target, user);
	if (!chap_verify(l->chap_algorithm, l->chap_identifier, secret, l->chap_challenge,
			 CHAP_CHALLENGE, bytes, (size_t)len))
		return LOGIN_AUTH_FAILURE; /* the same for an unknown user and a wrong password */
	status = authenticate_target(l, pairs, secret, out);
	if (status)
		return status;
	l->chap_step = CHAP_DONE;
	l->authenticated = true;
	return 0;
}

/* A key that belongs to another step, or NULL. */
static const char *misplaced_key(const struct login *l, const struct pairs *pairs)
{
	static const char *const keys[][5] = {
	    [CHAP_METHOD] = {"AuthMethod"},
	    [CHAP_ALGORITHM] = {"CHAP_A"},
	    [CHAP_RESPONSE] = {"CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C"},
	    [CHAP_DONE] = {NULL},
	};

	for (unsigned i = 0; i < pairs->count; i++) {
		const char *const *allowed = keys[l->chap_step];

		while (*allowed && strcmp(*allowed, pairs->at[i].key) != 0)
			allowed++;
		if (!*allowed && security_key(pairs->at[i].key))
			return pairs->at[i].key;
	}
	return NULL;
}

static unsigned step(struct login *l, const struct pairs *pairs, struct text_out *out)
{
	const char *method = pair_value(pairs, "AuthMethod");

	if (misplaced_key(l, pairs))
		return fail(l, LOGIN_INITIATOR_ERROR, "a CHAP key came out of turn");
	switch (l->chap_step) {
	case CHAP_METHOD:
		if (method)
			return choose_method(l, method, out);
		return pairs->count && l->rounds > 1
			   ? fail(l, LOGIN_MISSING_PARAMETER, "AuthMethod is missing")
			   : 0;
	case CHAP_ALGORITHM:
		return choose_algorithm(l, pair_value(pairs, "CHAP_A"), out);
	case CHAP_RESPONSE:
		return check_response(l, pairs, out);
	default:
		return 0;
	}
}

unsigned security_process(struct login *l, const struct pairs *pairs, struct text_out *out,
			  bool *transit)
{
	unsigned status = step(l, pairs, out);

	if (status)
		return status;
	if (l->chap_step == CHAP_METHOD && *transit) {
		/* 12: AuthMethod was left out, which stands for None */
		if (l->needs_chap)
			return fail(l, LOGIN_AUTH_FAILURE, "CHAP is required and was not offered");
		l->authenticated = true;
		return 0;
	}
	if (l->chap_step != CHAP_DONE)
		*transit = false;
	return 0;
}
