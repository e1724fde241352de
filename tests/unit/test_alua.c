/* SPDX-License-Identifier: MIT */
/*
 * Changes of asymmetric access states while commands run (SPC-5 5.15.2): a is logged in through
 * port 1 and b through port 2, to one disk.
 */
#include "iscsi_fixture.h"
#include "scsi/core.h"

#define NOT_READY_STANDBY 0x02040b
#define CHANGED 0x062a06

static uint16_t first_port, second_port;
static const uint8_t test_unit_ready[10];

static int start_paths(void **state)
{
	char portal[32], error[128];

	if (start(state))
		return -1;
	access_patience_ms = 5000;
	first_port = port;
	second_port = free_port();
	snprintf(portal, sizeof(portal), "127.0.0.1:%u", second_port);
	assert_int_equal(iscsi_portal_add(portal, 2, error, sizeof(error)), 0);
	run_for(2);
	client_login(&a, 1, KEYS("InitialR2T=No"));
	port = second_port;
	client_login(&b, 1, KEYS("InitialR2T=Yes"));
	port = first_port;
	clear_attention(&a);
	clear_attention(&b);
	return 0;
}

/* Sense key, ASC and ASCQ of the response that came last. */
static uint32_t sense_of(const struct client *c)
{
	assert_int_equal(c->bhs[3], STATUS_CHECK_CONDITION);
	return (uint32_t)(c->data[2 + 2] & 0xf) << 16 | get_be16(c->data + 2 + 12);
}

static void expect_sense(struct client *c, uint32_t itt, uint32_t sense)
{
	expect_status(c, itt, STATUS_CHECK_CONDITION);
	assert_int_equal(sense_of(c), sense);
}

/* TEST UNIT READY: GOOD (0), or with sense data. */
static void expect_ready(struct client *c, uint32_t sense)
{
	uint32_t itt = send_command(c, PDU_FINAL, test_unit_ready, 0, NULL, 0);

	if (sense)
		expect_sense(c, itt, sense);
	else
		expect_status(c, itt, STATUS_GOOD);
}

/* ---- changes by the operator ---- */

static enum { NOT_YET, DRAINED, GIVEN_UP } result;

static void changed(void *arg, bool drained)
{
	(void)arg;
	result = drained ? DRAINED : GIVEN_UP;
}

static void begin_change(uint16_t id, uint8_t state, uint64_t except)
{
	struct access_wish wish = {.id = id, .has_state = true, .state = state};

	result = NOT_YET;
	target_access_change(target->scsi, &wish, 1, ACCESS_IMPLICIT, except, changed, NULL);
	assert_int_equal(result, NOT_YET);
}

static void change(uint16_t id, uint8_t state)
{
	begin_change(id, state, 0);
	run_until(result);
	assert_int_equal(result, DRAINED);
}

static void all_nexuses_are_told(void **state)
{
	(void)state;
	change(2, ACCESS_NON_OPTIMIZED);
	expect_ready(&a, CHANGED);
	expect_ready(&b, CHANGED);
	expect_ready(&b, 0);
	change(2, ACCESS_NON_OPTIMIZED); /* it is already */
	expect_ready(&a, 0);
	expect_ready(&b, 0);
	assert_int_equal(target_port_find(target->scsi, 2)->status, ACCESS_IMPLICIT);
	assert_int_equal(target_port_find(target->scsi, 1)->status, ACCESS_UNCHANGED);
	change(7, ACCESS_STANDBY); /* there is no such port */
	expect_ready(&b, 0);
}

static void the_state_is_of_the_port(void **state)
{
	(void)state;
	change(2, ACCESS_STANDBY);
	expect_ready(&a, CHANGED);
	expect_ready(&b, CHANGED);
	expect_ready(&b, NOT_READY_STANDBY);
	expect_ready(&a, 0);
	change(2, ACCESS_OPTIMIZED);
	expect_ready(&b, CHANGED);
	expect_ready(&b, 0);
}

/* A session that begins later finds the state as it is. */
static void new_nexuses_find_the_state(void **state)
{
	(void)state;
	change(2, ACCESS_UNAVAILABLE);
	client_close(&b);
	port = second_port;
	client_login(&b, 1, KEYS("InitialR2T=Yes"));
	port = first_port;
	clear_attention(&b);
	expect_ready(&b, 0x02040c);
}

/* A portal group that went has no state to go by: what is still logged in keeps the last one. */
static void a_port_that_went(void **state)
{
	char portal[32];

	(void)state;
	change(2, ACCESS_STANDBY);
	expect_ready(&b, CHANGED);
	snprintf(portal, sizeof(portal), "127.0.0.1:%u", second_port);
	assert_int_equal(iscsi_portal_delete(portal), 0);
	run_for(2);
	expect_ready(&b, 0x063f03); /* INQUIRY DATA HAS CHANGED */
	expect_ready(&b, NOT_READY_STANDBY);
	assert_null(target_port_find(target->scsi, 2));
}

/* No write lands after the change was answered: it waits for those that run. */
static void running_commands_are_waited_for(void **state)
{
	uint8_t data[512];
	uint32_t itt;

	(void)state;
	pattern(data, sizeof(data), 1);
	hold = true;
	itt = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	begin_change(2, ACCESS_STANDBY, 0);
	run_for(30);
	assert_int_equal(result, NOT_YET);
	complete_all();
	run_until(result);
	assert_int_equal(result, DRAINED);
	assert_memory_equal(medium + 5 * 512, data, sizeof(data));
	expect_status(&b, itt, STATUS_GOOD);
}

/* What was checked before, but waits for its data, is checked again. */
static void waiting_commands_are_checked_again(void **state)
{
	static const uint8_t before[512];
	uint8_t data[1024];
	uint32_t itt;

	(void)state;
	pattern(data, sizeof(data), 1);
	itt = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 2, data, 512);
	receive(&b, OP_R2T);
	change(2, ACCESS_STANDBY);
	send_data_out(&b, itt, get_be32(b.bhs + 20), 0, 512, true, data, 512);
	expect_sense(&b, itt, NOT_READY_STANDBY);
	assert_memory_equal(medium + 5 * 512, before, sizeof(before));
}

/* It isn't in the way of what comes by other ports for longer than it takes to drain. */
static void other_ports_go_on(void **state)
{
	uint8_t data[512] = {7};
	uint32_t itt;

	(void)state;
	change(2, ACCESS_STANDBY);
	expect_ready(&a, CHANGED);
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	expect_status(&a, itt, STATUS_GOOD);
}

static void a_store_that_hangs(void **state)
{
	uint8_t data[512] = {7};
	uint32_t itt;

	(void)state;
	access_patience_ms = 30;
	hold = true;
	itt = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	begin_change(2, ACCESS_STANDBY, 0);
	run_until(result);
	assert_int_equal(result, GIVEN_UP);
	complete_all();
	expect_status(&b, itt, STATUS_GOOD);
	expect_ready(&b, CHANGED);
	expect_ready(&b, NOT_READY_STANDBY);
}

/* ---- changes by SET TARGET PORT GROUPS ---- */

static void allow(bool allowed)
{
	flag = false;
	target_access_by_command(target->scsi, allowed, set_flag, NULL);
	run_until(flag);
	expect_ready(&a, 0x063f03); /* INQUIRY DATA HAS CHANGED */
	expect_ready(&b, 0x063f03);
}

static uint32_t send_set(struct client *c, uint16_t id, uint8_t state)
{
	static const uint8_t cdb[12] = {0xa4, 0x0a, [9] = 8};
	uint8_t list[8] = {[4] = state};

	put_be16(list + 6, id);
	return send_command(c, PDU_FINAL | CMD_WRITE, cdb, sizeof(list), list, sizeof(list));
}

static void all_but_who_asked_are_told(void **state)
{
	(void)state;
	expect_sense(&a, send_set(&a, 2, ACCESS_STANDBY), 0x052400); /* it isn't there */
	allow(true);
	expect_status(&a, send_set(&a, 2, ACCESS_STANDBY), STATUS_GOOD);
	expect_ready(&a, 0);
	expect_ready(&b, CHANGED);
	expect_ready(&b, NOT_READY_STANDBY);
	assert_int_equal(target_port_find(target->scsi, 2)->status, ACCESS_BY_COMMAND);
	/* through the port itself */
	expect_status(&b, send_set(&b, 2, ACCESS_OPTIMIZED), STATUS_GOOD);
	expect_ready(&b, 0);
	expect_ready(&a, CHANGED);
	allow(false);
	expect_sense(&a, send_set(&a, 2, ACCESS_STANDBY), 0x052400);
}

/* It waits for the LU to stand still, and is itself a command of the LU. */
static void it_is_not_in_its_own_way(void **state)
{
	uint8_t data[512] = {7};
	uint32_t write, set;

	(void)state;
	allow(true);
	hold = true;
	write = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	set = send_set(&a, 2, ACCESS_STANDBY);
	run_for(30);
	assert_false(try_receive(&a));
	complete_all();
	expect_status(&a, set, STATUS_GOOD);
	expect_status(&b, write, STATUS_GOOD);
}

static void it_fails_when_a_store_hangs(void **state)
{
	uint8_t data[512] = {7};
	uint32_t write;

	(void)state;
	allow(true);
	access_patience_ms = 30;
	hold = true;
	write = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	expect_sense(&a, send_set(&a, 2, ACCESS_STANDBY), 0x04670a);
	complete_all();
	expect_status(&b, write, STATUS_GOOD);
}

/* A reset needs the LU for itself and waits for all commands, while this one waits for the LU. */
static void it_is_ended_by_a_reset(void **state)
{
	uint8_t data[512] = {7};

	(void)state;
	allow(true);
	hold = true;
	send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	send_set(&a, 2, ACCESS_STANDBY);
	run_for(10);
	send_tmf(&b, 5, TAG_NONE, 0); /* LOGICAL UNIT RESET */
	run_for(10);
	complete_all();
	receive(&b, OP_TASK_MANAGEMENT_RESPONSE);
	assert_int_equal(b.bhs[2], 0);
	run_until(!target_port_find(target->scsi, 2)->state ||
		  target_port_find(target->scsi, 2)->state == ACCESS_STANDBY);
	expect_ready(&a, 0x062903); /* BUS DEVICE RESET FUNCTION OCCURRED */
	expect_ready(&a, 0);
}

/* Its session goes while it is on its way. */
static void its_session_ends(void **state)
{
	uint8_t data[512] = {7};
	uint32_t write;

	(void)state;
	allow(true);
	hold = true;
	write = send_rw(&b, PDU_FINAL | CMD_WRITE, 5, 1, data, sizeof(data));
	run_until(nr_held == 1);
	send_set(&a, 2, ACCESS_STANDBY);
	run_for(10);
	client_close(&a);
	run_until(sessions_total() == 1);
	complete_all();
	expect_status(&b, write, STATUS_GOOD);
	expect_ready(&b, CHANGED);
	expect_ready(&b, NOT_READY_STANDBY);
}

#define PATHS_TEST(name) cmocka_unit_test_setup_teardown(name, start_paths, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PATHS_TEST(all_nexuses_are_told),
	    PATHS_TEST(the_state_is_of_the_port),
	    PATHS_TEST(new_nexuses_find_the_state),
	    PATHS_TEST(a_port_that_went),
	    PATHS_TEST(running_commands_are_waited_for),
	    PATHS_TEST(waiting_commands_are_checked_again),
	    PATHS_TEST(other_ports_go_on),
	    PATHS_TEST(a_store_that_hangs),
	    PATHS_TEST(all_but_who_asked_are_told),
	    PATHS_TEST(it_is_not_in_its_own_way),
	    PATHS_TEST(it_fails_when_a_store_hangs),
	    PATHS_TEST(it_is_ended_by_a_reset),
	    PATHS_TEST(its_session_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
