/* SPDX-License-Identifier: MIT */
/* The difference between a configuration and what runs: nothing more than it is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/plan.h"
#include "config/running.h"

#define IQN "iqn.2026-01.org.example:t"
#define T "<target " IQN ">\n"
#define E "</target>\n"

/* A target as it runs: its members, then its units. */
#define RUNS(members, units) RUNS_BY("rdwr", members, units)
/* The same by a daemon with this default store. */
#define RUNS_BY(default, members, units)                                                           \
	"{'targets':{'" IQN "':{'tid':1,'state':'ready','sessions':0,'parameters':{'MaxQueueCmd':" \
	"'128'},'addresses':{'ALL':true},'names':{},'incoming':{},'outgoing':{}" members           \
	",'luns':{" units "}}},'parameters':{'MaxQueueCmd':'128'},'accounts':{'a':'p'},"           \
	"'discovery':{'incoming':{},'outgoing':{}},'default_store':'" default "'}"
#define UNIT                                                                                       \
	"'1':{'path':'/a','bstype':'rdwr','kind':'disk','blocksize':512,'write_cache':true,"       \
	"'default_write_cache':true,'pages':{'10:0':'10:0:2:1:1'},'params':{'vendor_id':'IET',"    \
	"'readonly':'0','size':'1024'},'defaults':{'vendor_id':'IET','readonly':'0',"              \
	"'size':'1024'}}"

static struct config wanted, last;
static json_t *running, *plan;
static struct config_choice choice;

static int drop(void **state)
{
	(void)state;
	config_free(&wanted);
	config_free(&last);
	json_decref(running);
	json_decref(plan);
	running = plan = NULL;
	choice = (struct config_choice){0};
	return 0;
}

static void read_into(struct config *config, const char *text)
{
	config_free(config);
	config_read_text("t.conf", text, strlen(text), false, config);
	if (!config->model)
		fail_msg("%s: %s", text, json_string_value(json_array_get(config->errors, 0)));
}

static void make_plan(const char *now, const char *before, const char *runs)
{
	char json[8192];
	size_t len = strlen(runs);

	assert_true(len < sizeof(json));
	for (size_t i = 0; i <= len; i++)
		json[i] = (char)(runs[i] == '\'' ? '"' : runs[i]);
	read_into(&wanted, now);
	read_into(&last, before);
	json_decref(running);
	running = json_loads(json, 0, NULL);
	assert_non_null(running);
	json_decref(plan);
	plan = config_plan(wanted.model, last.model, running, &choice);
}

/* A step in short: "op mode value…" with the members that matter. */
static void describe(const json_t *step, char *text, size_t size)
{
	static const char *const members[] = {"targetname",
					      "lun",
					      "backing_store",
					      "bstype",
					      "bsoflags",
					      "params",
					      "name",
					      "value",
					      "user",
					      "outgoing",
					      "initiator_address",
					      "initiator_name",
					      "force",
					      NULL};
	const json_t *r = json_object_get(step, "request");
	int len = snprintf(text, size, "%s %s", json_string_value(json_object_get(r, "op")),
			   json_string_value(json_object_get(r, "mode")));

	for (const char *const *m = members; *m; m++) {
		const json_t *value = json_object_get(r, *m);

		if (json_is_integer(value))
			len += snprintf(text + len, size - (size_t)len, " %lld",
					(long long)json_integer_value(value));
		else if (value)
			len += snprintf(text + len, size - (size_t)len, " %s",
					json_is_true(value) ? *m : json_string_value(value));
	}
}

static void plans(const char *const *steps)
{
	json_t *all = json_object_get(plan, "steps");
	char text[512] = "nothing";
	size_t i;

	for (i = 0; steps[i]; i++) {
		const json_t *step = json_array_get(all, i);

		if (step)
			describe(step, text, sizeof(text));
		if (!step || strcmp(text, steps[i]) != 0)
			fail_msg("step %zu is: %s\nnot: %s", i, step ? text : "none", steps[i]);
	}
	if (json_array_size(all) > i) {
		describe(json_array_get(all, i), text, sizeof(text));
		fail_msg("one step too many: %s", text);
	}
}
#define PLANS(...) plans((const char *const[]){__VA_ARGS__, NULL})
#define PLANS_NOTHING() plans((const char *const[]){NULL})

static size_t refused(void)
{
	return json_array_size(json_object_get(plan, "refused"));
}

static void what_is_new_is_made_and_opened_last(void **state)
{
	(void)state;
	make_plan("incomingdiscoveryuser d pd\n" T
		  "backing-store /a\nvendor_id X\nwrite-cache off\n"
		  "incominguser a p2\noutgoinguser o po\nMaxQueueCmd 64\nstate offline\n" E,
		  "", "{'targets':{},'parameters':{'MaxQueueCmd':'128'},'accounts':{'a':'p'}}");
	PLANS("new account d", "update account a", "new account o", "bind account d",
	      "new target " IQN, "update target MaxQueueCmd 64", "bind account a",
	      "bind account o outgoing", "new logicalunit 1 /a vendor_id=X,write_cache=0",
	      "update target state offline", "bind target ALL");
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_object_get(json_array_get(json_object_get(plan, "steps"), 4), "request"),
		"tid")),
	    1);
}

static void what_is_the_same_is_left_alone(void **state)
{
	(void)state;
	make_plan(T "backing-store /a\nMaxQueueCmd 128\nvendor_id IET\nwrite-cache on\n"
		    "mode_page 10:0:2:1:1\nparams size=1k\n" E,
		  "", RUNS("", UNIT));
	PLANS_NOTHING();
	make_plan(T "backing-store /a\n" E, T "backing-store /a\n" E, RUNS("", UNIT));
	PLANS_NOTHING();
}

static void what_was_made_by_hand_stays(void **state)
{
	(void)state;
	make_plan("", "", RUNS("", UNIT));
	PLANS_NOTHING();
	make_plan(T "initiator-address ALL\n" E, T E,
		  RUNS(",'names':{'iqn.x':true},'incoming':{'a':true}", UNIT));
	PLANS_NOTHING();
}

static void what_left_the_file_is_removed(void **state)
{
	(void)state;
	make_plan("", "incomingdiscoveryuser a p\n" T E, RUNS("", ""));
	PLANS("delete target", "delete account a");
	make_plan(T "initiator-name iqn.x\n" E,
		  T "incominguser a p\nbacking-store /a\nMaxQueueCmd 64\nstate offline\n" E,
		  RUNS(",'parameters':{'MaxQueueCmd':'64'},'state':'offline','incoming':{'a':true}",
		       UNIT));
	PLANS("update target MaxQueueCmd 128", "unbind target ALL", "unbind account a",
	      "delete logicalunit 1", "update target state ready", "bind target iqn.x",
	      "delete account a");
}

static void a_busy_target_is_removed_by_force_only(void **state)
{
	(void)state;
	make_plan("", T E, RUNS(",'sessions':1", ""));
	PLANS_NOTHING();
	assert_int_equal(refused(), 1);
	choice.force = true;
	make_plan("", T E, RUNS(",'sessions':1", ""));
	PLANS("delete target force");
	assert_int_equal(refused(), 0);
}

static void a_busy_target_is_changed(void **state)
{
	(void)state;
	make_plan(T "backing-store /a\nbacking-store /b\n" E, T E, RUNS(",'sessions':1", UNIT));
	PLANS("new logicalunit 2 /b");
}

static void another_tid_is_another_target(void **state)
{
	(void)state;
	make_plan(T "controller_tid 5\n" E, T E, RUNS("", ""));
	PLANS("delete target", "new target " IQN, "bind target ALL");
	make_plan(T "controller_tid 5\n" E, T E, RUNS(",'sessions':2", ""));
	PLANS_NOTHING();
	assert_int_equal(refused(), 1);
}

static void free_tids_are_found(void **state)
{
	const json_t *steps;
	static const int tids[] = {2, 4};

	(void)state;
	make_plan("<target iqn.a>\ninitiator-address none\n</target>\n<target iqn.c>\n"
		  "controller_tid 3\ninitiator-address none\n</target>\n<target iqn.b>\n"
		  "initiator-address none\n</target>\n",
		  "", RUNS("", ""));
	steps = json_object_get(plan, "steps");
	assert_int_equal(json_array_size(steps), 3);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    json_integer_value(json_object_get(
			json_object_get(json_array_get(steps, 2 * i), "request"), "tid")),
		    tids[i]);
}

static void another_medium_is_another_unit(void **state)
{
	(void)state;
	make_plan(T "backing-store /b\n" E, T "backing-store /a\n" E, RUNS("", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /b");
	make_plan(T "backing-store /a\nbs-type aio\n" E, T E, RUNS("", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /a aio");
	make_plan(T "backing-store /a\nblock-size 4096\n" E, T E, RUNS("", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /a");
	make_plan(T "backing-store /a\ndevice-type tape\nbs-type rdwr\n" E, T E, RUNS("", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /a rdwr");
}

/* tgtd --default-store: who names no store has that of the daemon; those that are named stay. */
static void the_default_store_is_the_daemon_s(void **state)
{
	(void)state;
	make_plan(T "backing-store /a\n" E, T "backing-store /a\n" E, RUNS_BY("aio", "", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /a");
	make_plan(T "backing-store /a\ndevice-type disk\n" E, T E, RUNS_BY("aio", "", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 /a");
	make_plan(T "backing-store /a\nbs-type rdwr\n" E, T E, RUNS_BY("aio", "", UNIT));
	PLANS_NOTHING();
	make_plan(
	    T "backing-store /a\n" E, T E,
	    RUNS_BY("aio", "", "'1':{'path':'/a','bstype':'aio','kind':'disk','blocksize':512}"));
	PLANS_NOTHING();
	make_plan(
	    T "backing-store /a\ndevice-type tape\n" E, T E,
	    RUNS_BY("aio", "", "'1':{'path':'/a','bstype':'ssc','kind':'tape','blocksize':0}"));
	PLANS_NOTHING();
}

static void parameters_change_in_place(void **state)
{
	(void)state;
	make_plan(T "backing-store /a\nvendor_id NEW\nreadonly yes\nbsoflags sync\n"
		    "mode_page 10:0:2:3:4\nparams size=512\nwrite-cache off\n" E,
		  T E, RUNS("", UNIT));
	PLANS("update logicalunit 1 vendor_id=NEW,readonly=1,size=512,write_cache=0",
	      "update logicalunit 1 bsoflags=sync", "update logicalunit 1 mode_page=10:0:2:3:4");
	make_plan(T "backing-store /a\nmode_page 8:0:1:1\nwrite-cache off\n" E, T E,
		  RUNS("", UNIT));
	PLANS("update logicalunit 1 mode_page=8:0:1:1", "update logicalunit 1 write_cache=0");
}

static void parameters_go_back(void **state)
{
	(void)state;
	make_plan(T "backing-store /a\n" E,
		  T "backing-store /a\nvendor_id NEW\nwrite-cache off\nparams size=512\n" E,
		  RUNS("", "'1':{'path':'/a','bstype':'rdwr','kind':'disk','blocksize':512,"
			   "'write_cache':false,'default_write_cache':true,'params':{'vendor_id':"
			   "'NEW','size':'512'},'defaults':{'vendor_id':'IET','size':'1024'}}"));
	PLANS("update logicalunit 1 vendor_id=IET,size=0,write_cache=1");
}

/* MODE SELECT is the initiator's right. */
static void what_an_initiator_changed_stays(void **state)
{
	static const char *const text = T "backing-store /a\nwrite-cache off\n"
					  "mode_page 10:0:2:7:7\n" E;

	(void)state;
	make_plan(text, text, RUNS("", UNIT));
	PLANS_NOTHING();
}

static void a_removable_medium_is_changed_in_place(void **state)
{
	static const char *const text = T "<backing-store /a>\npath /c\nremovable yes\n"
					  "</backing-store>\n" E;

	(void)state;
	make_plan(text, "", RUNS("", UNIT));
	PLANS("update logicalunit 1 removable=1", "update logicalunit 1 path=/c");
	make_plan(text, "", "{'targets':{}}");
	PLANS("new target " IQN, "new logicalunit 1 /a removable=1", "update logicalunit 1 path=/c",
	      "bind target ALL");
}

/* A drive: what the operator has put in stays, unless the file names a medium. */
static void a_drive_needs_no_medium(void **state)
{
#define DRIVE(what)                                                                                \
	RUNS("", "'1':{" what ",'bstype':'rdwr','kind':'disk','blocksize':512,"                    \
		 "'params':{'removable':'1'}}")
	static const char *const none = T "backing-store NONE:1\n" E;

	(void)state;
	make_plan(none, "", "{'targets':{}}");
	PLANS("new target " IQN, "new logicalunit 1 NONE:1", "bind target ALL");
	make_plan(none, none, DRIVE("'empty':true"));
	PLANS_NOTHING();
	make_plan(none, none, DRIVE("'path':'/byhand'"));
	PLANS_NOTHING();
	make_plan(T "<backing-store NONE>\npath /c\n</backing-store>\n" E, none,
		  DRIVE("'path':'/byhand'"));
	PLANS("update logicalunit 1 path=/c");
	make_plan(T "backing-store /a\nremovable yes\n" E, none, DRIVE("'empty':true"));
	PLANS("update logicalunit 1 path=/a");
	make_plan(none, T "backing-store /a\n" E, RUNS("", UNIT));
	PLANS("delete logicalunit 1", "new logicalunit 1 NONE:1");
}

static void one_target_is_looked_at(void **state)
{
	(void)state;
	choice.name = IQN;
	make_plan("incomingdiscoveryuser d p\n" T "backing-store /a\nbacking-store /b\n"
		  "incominguser x y\n" E "<target iqn.other>\nincominguser z z\n</target>\n",
		  "<target iqn.gone>\n</target>\n", RUNS("", UNIT));
	PLANS("new account x", "bind account x", "new logicalunit 2 /b");
}

static void one_target_is_removed(void **state)
{
	(void)state;
	choice.name = IQN;
	choice.remove = true;
	make_plan(T "incominguser a p\nincominguser b p\n" E, T "incominguser a p\n" E,
		  RUNS(",'incoming':{'a':true}", UNIT));
	PLANS("delete target");
	make_plan("", T "incominguser a p\n" E, RUNS(",'incoming':{'a':true}", UNIT));
	PLANS("delete target", "delete account a");
}

static void the_next_time_is_remembered(void **state)
{
	json_t *memory, *failed = json_array();

	(void)state;
	make_plan(T "backing-store /a\n" E "<target iqn.notmade>\n</target>\n",
		  "incomingdiscoveryuser a p\n" T "backing-store /a\nbacking-store /b\n" E,
		  RUNS("", UNIT));
	memory = config_remember(wanted.model, last.model, running, &choice, failed);
	assert_int_equal(json_object_size(json_object_get(memory, "targets")), 1);
	assert_true(json_is_true(json_object_get(json_object_get(memory, "accounts"), "a")));
	json_decref(memory);
	/* what could not be done is tried again */
	json_array_append_new(failed, json_string(IQN));
	memory = config_remember(wanted.model, last.model, running, &choice, failed);
	assert_int_equal(json_object_size(json_object_get(
			     json_object_get(json_object_get(memory, "targets"), IQN), "luns")),
			 2);
	json_decref(memory);
	json_decref(failed);
}

/* What is dumped asks for what runs, and nothing else. */
static void a_dump_is_what_runs(void **state)
{
	char *text;
	struct config again;
	json_t *empty = config_model_new();

	(void)state;
	make_plan("", "",
		  RUNS(",'names':{'iqn.x':true},'incoming':{'a':true},'state':'offline'",
		       "'3':{'path':'/a \\\"b','bstype':'rdwr','kind':'disk','blocksize':4096,"
		       "'bsoflags':'sync','write_cache':true,'default_write_cache':true,"
		       "'pages':{'8:0':'8:0:1:4'},'changed_pages':{'8:0':'8:0:1:4'},"
		       "'params':{'vendor_id':'A # B','size':'512'},'defaults':{'vendor_id':"
		       "'IET','size':'1024'}}"));
	text = config_dump(running);
	assert_non_null(text);
	config_read_text("dump", text, strlen(text), false, &again);
	if (!again.model)
		fail_msg("%s\n%s", text, json_string_value(json_array_get(again.errors, 0)));
	json_decref(plan);
	plan = config_plan(again.model, empty, running, &choice);
	PLANS_NOTHING();
	free(text);
	config_free(&again);
	json_decref(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(what_is_new_is_made_and_opened_last, drop),
	    cmocka_unit_test_teardown(what_is_the_same_is_left_alone, drop),
	    cmocka_unit_test_teardown(what_was_made_by_hand_stays, drop),
	    cmocka_unit_test_teardown(what_left_the_file_is_removed, drop),
	    cmocka_unit_test_teardown(a_busy_target_is_removed_by_force_only, drop),
	    cmocka_unit_test_teardown(a_busy_target_is_changed, drop),
	    cmocka_unit_test_teardown(another_tid_is_another_target, drop),
	    cmocka_unit_test_teardown(free_tids_are_found, drop),
	    cmocka_unit_test_teardown(another_medium_is_another_unit, drop),
	    cmocka_unit_test_teardown(the_default_store_is_the_daemon_s, drop),
	    cmocka_unit_test_teardown(parameters_change_in_place, drop),
	    cmocka_unit_test_teardown(parameters_go_back, drop),
	    cmocka_unit_test_teardown(what_an_initiator_changed_stays, drop),
	    cmocka_unit_test_teardown(a_removable_medium_is_changed_in_place, drop),
	    cmocka_unit_test_teardown(a_drive_needs_no_medium, drop),
	    cmocka_unit_test_teardown(one_target_is_looked_at, drop),
	    cmocka_unit_test_teardown(one_target_is_removed, drop),
	    cmocka_unit_test_teardown(the_next_time_is_remembered, drop),
	    cmocka_unit_test_teardown(a_dump_is_what_runs, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
