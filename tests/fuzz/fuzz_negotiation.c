/* SPDX-License-Identifier: MIT */
/* The negotiation of operational keys, as a login and as a text request do it. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "iscsi/params.h"
#include "iscsi/text.h"
#include "util/bytes.h"

static const struct {
	enum key key;
	uint32_t min, max;
} ranges[] = {
    {KEY_HEADER_DIGEST, 0, 1},
    {KEY_DATA_DIGEST, 0, 1},
    {KEY_MAX_CONNECTIONS, 1, 1},
    {KEY_MAX_RECV_DSL, 512, 0xffffff},
    {KEY_MAX_BURST, 512, 0xffffff},
    {KEY_FIRST_BURST, 512, 0xffffff},
    {KEY_TIME2WAIT, 0, 3600},
    {KEY_TIME2RETAIN, 0, 3600},
    {KEY_MAX_OUTSTANDING_R2T, 1, MAX_R2T_LIMIT},
    {KEY_ERROR_RECOVERY_LEVEL, 0, 0},
    {KEY_TASK_REPORTING, 0, 1},
    {KEY_PROTOCOL_LEVEL, 0, 2},
};

/* Whatever was offered, nothing is ever agreed on that couldn't be kept. */
static void check_values(const struct negotiation *n)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		must(n->value[ranges[i].key] >= ranges[i].min);
		must(n->value[ranges[i].key] <= ranges[i].max);
	}
}

static void check_answer(const struct text_out *out)
{
	char *copy = malloc(out->len + 1), *key, *value;
	struct text_in in = text_in(copy, out->len);

	must(copy && out->len <= out->size);
	if (out->len)
		memcpy(copy, out->data, out->len);
	while (in.at < in.end)
		must(text_next(&in, &key, &value) == TEXT_PAIR);
	free(copy);
}

static void negotiate(struct negotiation *n, char *text, size_t len, bool full_feature)
{
	char answer[1024], *key, *value;
	struct text_out out = {.data = answer, .size = sizeof(answer)};
	struct text_in in = text_in(text, len);

	if (!full_feature)
		negotiation_offer(n, &out);
	while (text_next(&in, &key, &value) == TEXT_PAIR) {
		enum nego_result result = full_feature
					      ? negotiation_key_full_feature(n, key, value, &out)
					      : negotiation_key(n, key, value, &out);

		if (result != NEGO_OK && result != NEGO_UNKNOWN)
			break; /* the login ends */
		if (!full_feature)
			check_values(n);
	}
	check_answer(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct iscsi_target target = {0};
	struct negotiation n;
	uint8_t how = fuzz_byte(&input);
	size_t len;
	char *text = (char *)fuzz_copy(&input, size, &len);

	params_set_defaults(target.params);
	target.params[PARAM_MAX_BURST] = how & 0x10 ? 4096 : 262144;
	target.params[PARAM_INITIAL_R2T] = !(how & 0x20);
	target.params[PARAM_HEADER_DIGEST] = how & 0x40 ? DIGEST_CRC32C : DIGEST_NONE;
	target.params[PARAM_MAX_OUTSTANDING_R2T] = how & 0x80 ? 65535 : 1;
	negotiation_init(&n, how & 1 ? NULL : &target);
	check_values(&n);
	negotiate(&n, text, len, how & 2);
	free(text);
	return 0;
}
