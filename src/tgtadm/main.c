/* SPDX-License-Identifier: MIT */
/* tgtadm: asks tgtd to do one thing, and prints what it says. */
#include <stdio.h>
#include <string.h>

#include "tgtadm/client.h"
#include "tgtadm/complain.h"
#include "tgtadm/options.h"
#include "tgtadm/print.h"

static void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	printf("\n");
}

static void print_debug(const char *what, const json_t *value)
{
	json_t *copy = json_deep_copy(value);

	if (json_object_get(copy, "password"))
		json_object_set_new(copy, "password", json_string("***"));
	fprintf(stderr, "%s ", what);
	json_dumpf(copy, stderr, JSON_COMPACT);
	fprintf(stderr, "\n");
	json_decref(copy);
}

static int answer(const struct adm_options *o, const json_t *response)
{
	const json_t *result = json_object_get(response, "result");
	int rc = (int)adm_number(response, "rc");

	if (rc) {
		if (o->json)
			print_json(response);
		adm_complain(response);
		return rc;
	}
	if (!o->json)
		adm_print(o, result);
	else if (result)
		print_json(result);
	else
		printf("{}\n");
	return 0;
}

static int ask(const struct adm_options *o)
{
	json_t *response;
	int rc = 1;

	if (o->debug)
		print_debug("sent", o->request);
	response = adm_ask(o->control_port, o->request, &rc);
	if (!response)
		return rc;
	if (o->debug)
		print_debug("received", response);
	rc = answer(o, response);
	json_decref(response);
	return rc;
}

int main(int argc, char **argv)
{
	struct adm_options options;
	int rc = adm_parse(argc, argv, &options);

	if (rc < 0)
		rc = ask(&options);
	json_decref(options.request);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "tgtadm: the result can't be written\n");
		return 1;
	}
	return rc;
}
