/* SPDX-License-Identifier: MIT */
/* targets.conf: what each directive makes, and what is said, with file and line, of what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/source.h"
#include "util/cleanup.h"

#define T "<target iqn.2026-01.org.example:t>\n"
#define E "</target>\n"

static struct config config;

static int drop(void **state)
{
	(void)state;
	config_free(&config);
	return 0;
}

static void read_text(const char *text, bool ignore)
{
	drop(NULL);
	config_read_text("t.conf", text, strlen(text), ignore, &config);
}

static json_t *good(const char *text)
{
	read_text(text, false);
	if (!config.model)
		fail_msg("%s: %s", text, json_string_value(json_array_get(config.errors, 0)));
	return config.model;
}

/* The only target's. */
static json_t *good_target(const char *text)
{
	json_t *targets = json_object_get(good(text), "targets");

	assert_int_equal(json_object_size(targets), 1);
	return json_object_iter_value(json_object_iter(targets));
}

static json_t *lun_of(const json_t *target, const char *lun)
{
	json_t *unit = json_object_get(json_object_get(target, "luns"), lun);

	assert_non_null(unit);
	return unit;
}

static void equals(const json_t *object, const char *member, const char *text)
{
	const char *value = json_string_value(json_object_get(object, member));

	if (!value)
		fail_msg("there is no %s", member);
	assert_string_equal(value, text);
}

static void nothing_is_a_configuration(void **state)
{
	static const char *const texts[] = {"",
					    "\n\n",
					    "# comment\n   # another",
					    "\t \r\n",
					    "default-driver iscsi",
					    "ignore-errors no\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(json_object_size(json_object_get(good(texts[i]), "targets")), 0);
}

static void a_target(void **state)
{
	json_t *t = good_target("# what Cinder writes\n<target iqn.2026-01.org.example:v>\n"
				"  backing-store /srv/v  # the volume\n  driver iscsi\n"
				"  incominguser alice secretsecret\n  bsoflags direct\n"
				"  write-cache on\n</target>\n");
	json_t *lun = lun_of(t, "1");

	(void)state;
	equals(t, "place", "t.conf:2");
	equals(lun, "place", "t.conf:3");
	equals(lun, "path", "/srv/v");
	equals(lun, "bsoflags", "direct");
	assert_true(json_is_true(json_object_get(lun, "write_cache")));
	assert_non_null(json_object_get(json_object_get(t, "incoming"), "alice"));
	assert_non_null(json_object_get(json_object_get(t, "addresses"), "ALL"));
	equals(json_object_get(config.model, "accounts"), "alice", "secretsecret");
}

static void directives_of_a_unit(void **state)
{
	static const char *const params[][2] = {
	    {"vendor_id", "ACME"},
	    {"product_id", "BIG DISK"},
	    {"product_rev", "0002"},
	    {"scsi_id", "id"},
	    {"scsi_sn", "sn"},
	    {"drive", "LTO-8"},
	    {"sense_format", "1"},
	    {"removable", "1"},
	    {"online", "0"},
	    {"path", "/srv/other"},
	    {"readonly", "1"},
	    {"lbppbe", "3"},
	    {"la_lba", "7"},
	    {"optimal_xfer_gran", "128"},
	    {"optimal_xfer_len", "256"},
	    {"rotation_rate", "7200"},
	    {"thin_provisioning", "0"},
	    {"mode_page 10:0", "10:0:10:2:16:0:0:0:0:0:0:2:0"},
	    {"size", "1048576"},
	};
	json_t *lun =
	    lun_of(good_target(
		       T "<backing-store \"/srv/a b\">\nVENDOR_ID ACME\nproduct_id \"BIG DISK\"\n"
			 "product_rev 0002\nscsi_id id\nscsi_sn sn\nsense_format 1\ndrive LTO-8\n"
			 "removable yes\nonline Off\npath /srv/other\nreadonly true\nlbppbe 3\n"
			 "la_lba 7\noptimal_xfer_gran 128\noptimal_xfer_len 0x100\n"
			 "mode_page 10:0:10:2:0x10:0:0:0:0:0:0:2:0\nlun 5\ndevice-type disk\n"
			 "bs-type rdwr\nbsopts \"a=b;c=d\"\nbsoflags sync:direct\nblock-size 4096\n"
			 "allow-in-use yes\nwrite-cache off\n"
			 "params rotation_rate=7200,thin_provisioning=0,size=1M\n"
			 "</backing-store>\n" E),
		   "5");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(params); i++)
		equals(json_object_get(lun, "params"), params[i][0], params[i][1]);
	assert_int_equal(json_object_size(json_object_get(lun, "params")), ARRAY_SIZE(params));
	equals(lun, "path", "/srv/a b");
	equals(lun, "device_type", "disk");
	equals(lun, "bstype", "rdwr");
	equals(lun, "bsopts", "a=b;c=d");
	equals(lun, "bsoflags", "sync:direct");
	assert_int_equal(json_integer_value(json_object_get(lun, "blocksize")), 4096);
	assert_true(json_is_true(json_object_get(lun, "allow_in_use")));
	assert_true(json_is_false(json_object_get(lun, "write_cache")));
}

static void directives_of_a_target(void **state)
{
	json_t *t =
	    good_target(T "controller_tid 7\nstate offline\ninitiator-address 192.0.2.1\n"
			  "initiator-address 2001:db8::/32\ninitiator-name iqn.x\n"
			  "incominguser a p1\nincominguser \"b c\" 'p 2'\noutgoinguser o p3\n"
			  "incominguser byhand\nmaxrecvdatasegmentlength = 65536\n"
			  "HeaderDigest=CRC32C\n<direct-store /dev/x>\n</direct-store>\n" E);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(t, "tid")), 7);
	equals(t, "state", "offline");
	assert_int_equal(json_object_size(json_object_get(t, "addresses")), 2);
	equals(json_object_get(t, "names"), "iqn.x", "t.conf:6");
	assert_int_equal(json_object_size(json_object_get(t, "incoming")), 3);
	equals(json_object_get(t, "outgoing"), "o", "t.conf:9");
	equals(json_object_get(t, "parameters"), "MaxRecvDataSegmentLength", "65536");
	equals(json_object_get(t, "parameters"), "HeaderDigest", "CRC32C");
	equals(json_object_get(config.model, "accounts"), "b c", "p 2");
	assert_null(json_object_get(json_object_get(config.model, "accounts"), "byhand"));
	assert_true(json_is_true(json_object_get(lun_of(t, "1"), "direct")));
}

static void closed_is_not_open_to_all(void **state)
{
	json_t *t = good_target(T "initiator-address none\n" E);

	(void)state;
	assert_int_equal(json_object_size(json_object_get(t, "addresses")), 0);
}

static void global_directives(void **state)
{
	(void)state;
	good("incomingdiscoveryuser d secret\noutgoingdiscoveryuser e secret2\nControl-Port 3\n"
	     "iSNS On\niSNSServerIP 192.0.2.1\niSNSServerPort 3205\niSNSAccessControl On\n");
	equals(json_object_get(json_object_get(config.model, "discovery"), "incoming"), "d",
	       "t.conf:1");
	equals(json_object_get(json_object_get(config.model, "discovery"), "outgoing"), "e",
	       "t.conf:2");
	assert_true(config.has_control_port);
	assert_int_equal(config.control_port, 3);
	assert_int_equal(json_array_size(config.warnings), 1);
	assert_string_equal(json_string_value(json_array_get(config.warnings, 0)),
			    "t.conf:4: there is no iSNS client here: this has no effect");
}

static void luns_are_numbered(void **state)
{
	json_t *t = good_target(T "backing-store /a\n<backing-store /b>\nlun 1\n</backing-store>\n"
				  "backing-store /c\n<backing-store /d>\nlun 3\n</backing-store>\n"
				  "backing-store /e\n" E);

	(void)state;
	equals(lun_of(t, "1"), "path", "/b");
	equals(lun_of(t, "2"), "path", "/a");
	equals(lun_of(t, "3"), "path", "/d");
	equals(lun_of(t, "4"), "path", "/c");
	equals(lun_of(t, "5"), "path", "/e");
}

static void units_inherit(void **state)
{
	json_t *t = good_target(T "backing-store /a\nvendor_id ALL\nwrite-cache off\n"
				  "<backing-store /b>\nvendor_id B\n</backing-store>\n" E);

	(void)state;
	equals(json_object_get(lun_of(t, "1"), "params"), "vendor_id", "ALL");
	equals(json_object_get(lun_of(t, "2"), "params"), "vendor_id", "B");
	assert_true(json_is_false(json_object_get(lun_of(t, "2"), "write_cache")));
}

/* stgt's users write serials of 43 characters; the field has 36. */
static void long_identifiers_are_cut(void **state)
{
	json_t *t = good_target(T "backing-store /a\nscsi_sn "
				  "0123456789012345678901234567890123456789012\n" E);

	(void)state;
	equals(json_object_get(lun_of(t, "1"), "params"), "scsi_sn",
	       "012345678901234567890123456789012345");
}

static void lines_go_on(void **state)
{
	json_t *t = good_target("\\\n<target \\\niqn.2026-01.org.example:t>\nincominguser a\\\n b\n"
				"backing-store \"/x \\\"#y\" # comment\n" E);

	(void)state;
	equals(t, "place", "t.conf:1");
	equals(json_object_get(config.model, "accounts"), "a", "b");
	equals(lun_of(t, "1"), "path", "/x \"#y");
}

static void errors_say_where_and_what(void **state)
{
	static const char *const rows[][2] = {
	    {"\nbogus 1\n", "t.conf:2: there is no directive \"bogus\""},
	    {"lun 1", "t.conf:1: lun can't stand outside of a target"},
	    {"vendor_id x", "t.conf:1: vendor_id can't stand outside of a target"},
	    {T "include x\n" E, "t.conf:2: include can't stand in a target"},
	    {T "lun 1\n" E, "t.conf:2: lun can't stand in a target"},
	    {T "<backing-store /a>\nstate ready\n</backing-store>\n" E,
	     "t.conf:3: state can't stand in a logical unit"},
	    {"include x", "t.conf:1: nothing can be included here"},
	    {"include", "t.conf:1: include has no value"},
	    {"default-driver iser", "t.conf:1: default-driver: there is no driver \"iser\" here, "
				    "only iscsi"},
	    {"ignore-errors maybe", "t.conf:1: ignore-errors is yes or no, not \"maybe\""},
	    {"control-port 65536", "t.conf:1: control-port is a number from 0 to 65535, not "
				   "\"65536\""},
	    {T "backing-store\n" E, "t.conf:2: backing-store has no value"},
	    {T "backing-store \"/a\n" E, "t.conf:2: backing-store: the quotes don't match"},
	    {T "<backing-store /a>\nlun 0\n</backing-store>\n" E,
	     "t.conf:3: lun is a number from 1 to 16383, not \"0\""},
	    {T "<backing-store /a>\nlun 1x\n</backing-store>\n" E,
	     "t.conf:3: lun is a number from 1 to 16383, not \"1x\""},
	    {T "<backing-store /a>\nlun 2\n</backing-store>\n<backing-store /b>\nlun "
	       "2\n</backing-store>\n" E,
	     "t.conf:5: lun 2 is given twice"},
	    {T "vendor_id a\nvendor_id b\n" E, "t.conf:3: vendor_id is given twice"},
	    {T "vendor_id a,b\n" E, "t.conf:2: vendor_id has a comma, or a character that isn't "
				    "printable ASCII"},
	    {T "block-size 1000\n" E, "t.conf:2: block-size is a power of 2, not \"1000\""},
	    {T "bsoflags sync:\n" E, "t.conf:2: bsoflags are sync, direct or sync:direct, not "
				     "\"sync:\""},
	    {T "device-type floppy\n" E, "t.conf:2: there is no device-type \"floppy\""},
	    {T "mode_page 8:0:2:1\n" E, "t.conf:2: mode_page is PAGE:SUBPAGE:LENGTH and LENGTH "
					"bytes, not \"8:0:2:1\""},
	    {T "params x\n" E, "t.conf:2: params are NAME=VALUE,..., not \"x\""},
	    {T "state up\n" E, "t.conf:2: state is ready or offline, not \"up\""},
	    {T "initiator-address 1.2.3\n" E, "t.conf:2: \"1.2.3\" is no initiator-address: ALL, "
					      "none, an IP address, or ADDRESS/BITS"},
	    {T "incominguser a b c\n" E, "t.conf:2: incominguser is a user and a password"},
	    {T "incominguser\n" E, "t.conf:2: incominguser is a user and a password"},
	    {T "incominguser a ''\n" E, "t.conf:2: incominguser: user or password is empty or not "
					"UTF-8"},
	    {T "incominguser a b\nincominguser a c\n" E, "t.conf:3: a has another password "
							 "elsewhere"},
	    {T "outgoinguser a b\noutgoinguser c d\n" E, "t.conf:3: outgoinguser is given twice"},
	    {T "MaxBurstLength 1\n" E, "t.conf:2: MaxBurstLength can't be \"1\""},
	    {T, "t.conf:1: the file ends inside of a block"},
	    {T E E, "t.conf:3: </target> ends no block"},
	    {T "<backing-store /a>\n" E,
	     "t.conf:3: </target> ends no block: open is backing-store"},
	    {T T E E, "t.conf:2: a block <target> can't stand here"},
	    {"<target x>\n" E, "t.conf:1: \"x\" is no iSCSI name (iqn., eui. or naa.)"},
	    {"<target>\n" E, "t.conf:1: \"\" is no iSCSI name (iqn., eui. or naa.)"},
	    {T E T E, "t.conf:3: target iqn.2026-01.org.example:t stands at t.conf:1 already"},
	    {"<backing-store /a>\n</backing-store>\n", "t.conf:1: a block <backing-store> can't "
						       "stand here"},
	    {"<\n", "t.conf:1: a block begins with <NAME VALUE> and ends with </NAME>"},
	    {T "controller_tid 1\n" E "<target iqn.2026-01.org.example:u>\ncontroller_tid 1\n" E,
	     "t.conf:4: controller_tid is another target's"},
	    {T "vendor_id \xff\n" E, "t.conf:2: vendor_id has a comma, or a character that isn't "
				     "printable ASCII"},
	    {T "backing-store /\xff\n" E, "t.conf:2: the path is empty, too long, or not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *error;

		read_text(rows[i][0], false);
		error = json_string_value(json_array_get(config.errors, 0));
		if (config.model || !error || strcmp(error, rows[i][1]) != 0)
			fail_msg("%s\nsays: %s\nnot:  %s", rows[i][0], error ? error : "nothing",
				 rows[i][1]);
	}
}

static void passwords_are_not_told(void **state)
{
	(void)state;
	read_text(T "incominguser a verysecret\nincominguser a othersecret x\n"
		    "incominguser a othersecret\noutgoinguser \"b thirdsecret\n" E,
		  false);
	char *text = json_dumps(config.errors, 0);

	assert_int_equal(json_array_size(config.errors), 3);
	assert_null(strstr(text, "secret"));
	free(text);
}

static void errors_are_left_out(void **state)
{
	json_t *targets;

	(void)state;
	read_text("ignore-errors yes\nbogus\n" T "backing-store /a\nvendor_id ,\n" E
		  "<target iqn.2026-01.org.example:u>\nincominguser a b c\n" E,
		  false);
	assert_non_null(config.model);
	targets = json_object_get(config.model, "targets");
	/* the second would be open to all without its account */
	assert_int_equal(json_object_size(targets), 1);
	assert_int_equal(json_array_size(config.errors), 0);
	assert_int_equal(json_array_size(config.warnings), 3);
}

/* A rule of access that can't be read must not leave its target open. */
static void a_target_is_not_opened_by_an_error(void **state)
{
	static const char *const lines[] = {
	    "initiator-address x\n",
	    "initiator-address\n",
	    "initiator-name\n",
	    "incominguser a\xff b\n",
	    "outgoinguser\n",
	    "<backing-store /a>\ninitiator-address 192.0.2.1\n</backing-store>\n",
	    "incominguser a b\nincominguser a c\nincominguser d e\n",
	    "<backing-store /a>\nincominguser a b\n</backing-store>\n"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "%s%s%s", T, lines[i], E);
		read_text(text, true);
		assert_non_null(config.model);
		if (json_object_size(json_object_get(config.model, "targets")))
			fail_msg("%s leaves a target", lines[i]);
	}
}

static void a_line_has_an_end(void **state)
{
	static char text[CONFIG_LINE_MAX + 100];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text + CONFIG_LINE_MAX + 10, "\nlun 1", 6);
	read_text(text, false);
	assert_null(config.model);
	assert_string_equal(json_string_value(json_array_get(config.errors, 0)),
			    "t.conf:1: the line is longer than 8191 bytes");
	drop(NULL);
	config_read_text("t.conf", "a\0b", 3, false, &config);
	assert_string_equal(json_string_value(json_array_get(config.errors, 0)),
			    "t.conf:1: there is a byte 0 in the line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(nothing_is_a_configuration, drop),
	    cmocka_unit_test_teardown(a_target, drop),
	    cmocka_unit_test_teardown(directives_of_a_unit, drop),
	    cmocka_unit_test_teardown(directives_of_a_target, drop),
	    cmocka_unit_test_teardown(closed_is_not_open_to_all, drop),
	    cmocka_unit_test_teardown(global_directives, drop),
	    cmocka_unit_test_teardown(luns_are_numbered, drop),
	    cmocka_unit_test_teardown(units_inherit, drop),
	    cmocka_unit_test_teardown(long_identifiers_are_cut, drop),
	    cmocka_unit_test_teardown(lines_go_on, drop),
	    cmocka_unit_test_teardown(errors_say_where_and_what, drop),
	    cmocka_unit_test_teardown(passwords_are_not_told, drop),
	    cmocka_unit_test_teardown(errors_are_left_out, drop),
	    cmocka_unit_test_teardown(a_target_is_not_opened_by_an_error, drop),
	    cmocka_unit_test_teardown(a_line_has_an_end, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
