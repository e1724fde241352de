/* SPDX-License-Identifier: MIT */
/* tgtadm: asks tgtd to do one thing, and prints what it says. */
#include <stdio.h>
#include <string.h>

#include "tgtadm/client.h"
#include "tgtadm/complain.h"
#include "tgtadm/options.h"
#include "tgtadm/print.h"
#include "util/cleanup.h"

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

static int answer_json(const struct adm_options *o, const json_t *response)
{
	const json_t *result = json_object_get(response, "result");
	int rc = (int)adm_number(response, "rc");

	if (!json_is_integer(json_object_get(response, "rc")))
		return adm_no_answer(o->control_port);
	if (rc)
		print_json(response);
	else if (result)
		print_json(result);
	else
		printf("{}\n");
	if (rc)
		adm_complain(adm_text(response, "error"), adm_text(response, "detail"));
	return rc;
}

static int answer_text(const struct adm_options *o, const struct value *response)
{
	const struct value *number = value_member(response, "rc");
	int rc = (int)value_number(response, "rc");

	if (!number || number->type != VALUE_NUMBER)
		return adm_no_answer(o->control_port);
	if (rc)
		adm_complain(value_text(response, "error"), value_text(response, "detail"));
	else
		adm_print(o, value_member(response, "result"));
	return rc;
}

/* A text is printed from values that are read for it alone; JSON goes through jansson again. */
static int answer(const struct adm_options *o, char *line, size_t len)
{
	bool tree = o->json || o->debug;
	json_t *response = tree ? json_loadb(line, len, 0, NULL) : NULL;
	CLEANUP_FREE struct value *values = o->json ? NULL : value_read(line, len);
	int rc;

	if (o->debug && response)
		print_debug("received", response);
	rc = o->json ? answer_json(o, response) : answer_text(o, values);
	json_decref(response);
	return rc;
}

static int ask(const struct adm_options *o)
{
	CLEANUP_FREE char *line = NULL;
	size_t len;
	int rc = 1;

	if (o->debug)
		print_debug("sent", o->request);
	line = adm_ask_text(o->control_port, o->request, &len, &rc);
	return line ? answer(o, line, len) : rc;
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
