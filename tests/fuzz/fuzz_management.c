/* SPDX-License-Identifier: MIT */
/*
 * Requests on the management socket as they are carried out: targets, units, accounts and rules
 * that come, change and go.  An input is a sequence of records, each HOW and a line.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "iscsi/control.h"
#include "mgmt/request.h"
#include "records.h"
#include "util/bytes.h"

#define REQUESTS_MAX 48u
#define LINE_MAX 65535u /* of the protocol */

/* HOW */
#define AT_ONCE 0x01u /* the next request comes with it */

static unsigned nr_open;
static json_t *kept; /* the answer that somebody waits for */

static bool none_is_open(void)
{
	core_complete(false);
	return !nr_open;
}

/* Every request is answered once, by a line with a number, and a text when it was refused. */
static void answered(struct mgmt_request *request, json_t *response)
{
	json_t *rc;
	char *line;

	if (request->text)
		response =
		    json_loadb(request->text, request->text_len, JSON_REJECT_DUPLICATES, NULL);
	rc = json_object_get(response, "rc");
	line = json_dumps(response, JSON_COMPACT);
	must(json_is_integer(rc) && line);
	must(!request->text || !strcmp(line, request->text));
	must(!json_integer_value(rc) == !json_object_get(response, "error"));
	must(json_integer_value(rc) >= 0 && json_integer_value(rc) < 256);
	free(line);
	nr_open--;
	if (request->owner)
		kept = response;
	else
		json_decref(response);
}

static void submit(const char *line, size_t len, void *owner)
{
	nr_open++;
	must(mgmt_submit(line, len, answered, owner));
}

static bool is(const json_t *json, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value && !strcmp(value, text);
}

/* What would end the process, or open ports of the machine that this runs on. */
static bool is_out_of_bounds(const char *line, size_t len)
{
	json_t *json = json_loadb(line, len, 0, NULL);
	bool system = is(json, "mode", "sys") || is(json, "mode", "system");
	bool portal = is(json, "mode", "pt") || is(json, "mode", "portal");
	bool out = (system && is(json, "op", "delete")) || (portal && !is(json, "op", "show"));

	json_decref(json);
	return out;
}

static void run_request(struct fuzz_input *in)
{
	uint8_t how = fuzz_byte(in);
	size_t len;
	char *line = (char *)fuzz_copy(in, LINE_MAX, &len);

	if (!is_out_of_bounds(line, len))
		submit(line, len, NULL);
	free(line);
	if (!(how & AT_ONCE))
		core_run_until(none_is_open);
}

/* ---- before and after an input ---- */

static json_t *ask(const char *line)
{
	kept = NULL;
	submit(line, strlen(line), &kept);
	core_run_until(none_is_open);
	must(kept);
	return kept;
}

static void delete_targets(void)
{
	json_t *answer = ask("{\"op\":\"show\",\"mode\":\"target\"}"), *row;
	json_t *rows = json_object_get(json_object_get(answer, "result"), "targets");
	size_t i;

	must(json_is_array(rows));
	json_array_foreach(rows, i, row)
	{
		char line[128];
		json_t *gone;

		snprintf(line, sizeof(line),
			 "{\"op\":\"delete\",\"mode\":\"target\",\"force\":true,\"tid\":%lld}",
			 (long long)json_integer_value(json_object_get(row, "tid")));
		gone = ask(line);
		must(!json_integer_value(json_object_get(gone, "rc")));
		json_decref(gone);
	}
	json_decref(answer);
}

static void delete_accounts(void)
{
	while (!list_empty(iscsi_accounts())) {
		const struct iscsi_account *account =
		    list_first(iscsi_accounts(), struct iscsi_account, link);
		char *user = strdup(account->user);

		must(user && !iscsi_account_delete(user));
		free(user);
	}
}

static void start_over(void)
{
	core_run_until(none_is_open);
	core_fail_next(0);
	delete_targets();
	delete_accounts();
	iscsi_set_system_ready(true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size}, record;
	static bool started;

	if (!started) {
		core_start();
		core_offer_stores();
		start_over();
		started = true;
	}
	for (unsigned i = 0; i < REQUESTS_MAX && fuzz_record(&in, &record); i++)
		run_request(&record);
	start_over();
	return 0;
}

/* ---- what a client might ask next ---- */

static const char *const lines[] = {
    "{\"op\":\"new\",\"mode\":\"target\",\"tid\":1,\"targetname\":\"iqn.2026-01.x:y\"}",
    "{\"op\":\"new\",\"mode\":\"logicalunit\",\"tid\":1,\"lun\":1,\"backing_store\":\"/"
    "x\",\"bstype\":\"disk\"}",
    "{\"op\":\"update\",\"mode\":\"logicalunit\",\"tid\":1,\"lun\":1,\"params\":\"online=0\"}",
    "{\"op\":\"update\",\"mode\":\"target\",\"tid\":1,\"name\":\"MaxBurstLength\",\"value\":"
    "\"4096\"}",
    "{\"op\":\"show\",\"mode\":\"target\",\"tid\":1}",
    "{\"op\":\"show\",\"mode\":\"system\"}",
    "{\"op\":\"new\",\"mode\":\"account\",\"user\":\"u\",\"password\":\"secret\"}",
    "{\"op\":\"bind\",\"mode\":\"account\",\"tid\":1,\"user\":\"u\",\"outgoing\":true}",
    "{\"op\":\"bind\",\"mode\":\"target\",\"tid\":1,\"initiator_address\":\"10.0.0.0/8\"}",
    "{\"op\":\"delete\",\"mode\":\"logicalunit\",\"tid\":1,\"lun\":1}",
    "{\"op\":\"delete\",\"mode\":\"target\",\"tid\":1,\"force\":true}",
};

size_t fuzz_fresh_record(uint8_t *out, uint32_t (*random)(uint32_t below))
{
	const char *line = lines[random(sizeof(lines) / sizeof(lines[0]))];

	out[0] = (uint8_t)random(2);
	memcpy(out + 1, line, strlen(line));
	return 1 + strlen(line);
}
