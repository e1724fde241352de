/* SPDX-License-Identifier: MIT */
/* A line on the management socket: JSON, the request in it, and the parameters in that. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mgmt/args.h"
#include "mgmt/lu_params.h"
#include "mgmt/request.h"

static void parameters(const char *text)
{
	struct lu_params params;
	char error[96] = "";
	uint32_t flags;

	if (lu_params_parse(text, &params, error, sizeof(error)) == LU_PARAMS_OK) {
		if (params.bsoflags)
			bsoflags_parse(params.bsoflags, &flags);
		lu_params_free(&params);
	} else {
		must(*error && memchr(error, 0, sizeof(error)));
	}
}

static void request(json_t *json)
{
	struct mgmt_args args;
	char error[96] = "";

	if (!mgmt_args_parse(json, &args, error, sizeof(error))) {
		must(*error && memchr(error, 0, sizeof(error)));
		return;
	}
	must(args.op && args.mode);
	must(!args.has_tid || args.tid <= INT32_MAX);
	if (args.params)
		parameters(args.params);
	if (args.value)
		parameters(args.value);
}

/* What an initiator calls itself always becomes a JSON text. */
static void text_of_initiator(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *text = fuzz_rest_text(&in);
	json_t *string = mgmt_text(text);

	must(json_is_string(string));
	json_decref(string);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_error_t error;
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &error);

	if (json)
		request(json);
	json_decref(json);
	text_of_initiator(data, size);
	return 0;
}
