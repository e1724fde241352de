/* SPDX-License-Identifier: MIT */
/*
 * Sessions against a store that hangs: what happens while commands are under way to data, task
 * management, logout, reinstatement, and to the target itself.
 */
#include "iscsi_fixture.h"

/* ---- tests ---- */

static uint8_t data[96 << 10];

/* Of one test at a time; it is the LU's until it is released. */
static struct lu_exclusive exclusive;
static bool released;

static void granted(struct lu_exclusive *e)
{
	(void)e;
	flag = true;
}

static void hold_lu(void)
{
	exclusive = (struct lu_exclusive){.lu = lu, .all = true, .granted = granted};
	flag = false;
	lu_exclusive_begin(&exclusive);
	run_until(flag);
}

static void was_released(struct lu_exclusive *e)
{
	(void)e;
	released = true;
}

static void let_lu_go(void)
{
	released = false;
	lu_exclusive_end(&exclusive, was_released);
}

/* While an exclusive operation holds all of the LU, commands are parked before anybody wants their
 * data. */
static void immediate_data_wait_for_a_parked_command(void **state)
{
	uint32_t itt;

	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold_lu();
	pattern(data, sizeof(data), 1);
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 8, 16, data, 8192);
	run_for(20);
	assert_int_equal(medium[8 * 512 + 1], 0);
	let_lu_go();
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium + 8 * 512, data, 8192);
	run_until(released);
}

/* The same with data that come in several PDUs, before and after the command is let go. */
static void unsolicited_data_wait_for_a_parked_command(void **state)
{
	uint32_t itt;

	(void)state;
	target->params[PARAM_INITIAL_R2T] = 0;
	client_login(&a, 1, KEYS("InitialR2T=No"));
	clear_attention(&a);
	hold_lu();
	pattern(data, sizeof(data), 2);
	itt = send_rw(&a, CMD_WRITE, 0, 128, data, 4096);
	send_data_out(&a, itt, TAG_NONE, 0, 4096, false, data, 20000);
	/* half a PDU, so that the command is let go in the middle of one */
	{
		uint8_t bhs[BHS_LEN];

		pdu_init(bhs, OP_DATA_OUT, PDU_FINAL, itt);
		put_be24(bhs + 5, 65536 - 24096);
		put_be32(bhs + 20, TAG_NONE);
		put_be32(bhs + 36, 1);
		put_be32(bhs + 40, 24096);
		send(a.fd, bhs, BHS_LEN, MSG_NOSIGNAL);
		send(a.fd, data + 24096, 10000, MSG_NOSIGNAL);
	}
	run_for(20);
	let_lu_go();
	run_for(20);
	send(a.fd, data + 34096, 65536 - 34096, MSG_NOSIGNAL);
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium, data, 65536);
	run_until(released);
}

/* RFC 7143 11.6: the response comes when the task has ended, and no status for it. */
static void an_abort_waits_for_the_store(void **state)
{
	uint32_t itt;

	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold = true;
	itt = send_read(&a, 0, 1);
	run_until(nr_held == 1);
	send_tmf(&a, 1, itt, a.cmdsn - 1);
	run_for(30);
	assert_false(try_receive(&a));
	complete_all();
	receive(&a, OP_TASK_MANAGEMENT_RESPONSE);
	assert_int_equal(a.bhs[2], 0);
	send_nop(&a);
	receive(&a, OP_NOP_IN); /* and nothing between them */
}

/* 4.2.3.3: the data that an aborted task asked for are waited for, but not for ever. */
static void a_reset_waits_for_data_asked_for(void **state)
{
	uint32_t itt, ttt;

	(void)state;
	client_login(&a, 1, KEYS("ImmediateData=No"));
	clear_attention(&a);
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 16, NULL, 0);
	receive(&a, OP_R2T);
	ttt = pdu_ttt(a.bhs);
	send_tmf(&a, 5, TAG_NONE, 0);
	run_for(100);
	assert_false(try_receive(&a));
	send_data_out(&a, itt, ttt, 0, 0, true, data, 8192);
	receive(&a, OP_TASK_MANAGEMENT_RESPONSE);
	assert_int_equal(a.bhs[2], 0);

	clear_attention(&a);
	send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 16, NULL, 0);
	receive(&a, OP_R2T);
	send_tmf(&a, 2, TAG_NONE, 0);
	receive(&a, OP_TASK_MANAGEMENT_RESPONSE);
	assert_int_equal(a.bhs[2], 0);
}

/* Its window place and its memory come back, whatever way a command ends. */
static void the_window_never_shrinks(void **state)
{
	uint32_t itt;

	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold = true;
	for (int i = 0; i < 150; i++) { /* more than MaxQueueCmd */
		itt = send_read(&a, 0, 8);
		run_until(nr_held == 1);
		send_tmf(&a, 1, itt, a.cmdsn - 1);
		run_for(1);
		complete_all();
		receive(&a, OP_TASK_MANAGEMENT_RESPONSE);
		assert_true(get_be32(a.bhs + 32) - get_be32(a.bhs + 28) + 1 >= 32);
	}
}

/* A lost connection: the session ends when the store has given everything back, not before. */
static void a_lost_connection_waits_for_the_store(void **state)
{
	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold = true;
	send_read(&a, 0, 8);
	send_read(&a, 8, 8);
	run_until(nr_held == 2);
	client_close(&a);
	run_until(list_empty(&target->sessions)); /* management doesn't see it any more */
	run_for(20);
	assert_int_equal(sessions_total(), 1);
	complete_all();
	run_until(!sessions_total());
}

static void a_logout_ends_commands(void **state)
{
	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold = true;
	send_read(&a, 0, 8);
	run_until(nr_held == 1);
	send_logout(&a);
	run_for(30);
	assert_false(try_receive(&a));
	complete_all();
	receive(&a, OP_LOGOUT_RESPONSE);
	assert_int_equal(a.bhs[2], 0);
	run_until(closed_by_target(&a));
	run_until(!sessions_total());
}

/* A store that hangs must keep nobody out: not an initiator that comes back, nor one that leaves,
 * nor the operator who deletes the target and makes it anew. */
static void a_hung_store_holds_nobody_up(void **state)
{
	struct iscsi_target *old;
	bool *deleted = &flag;

	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	client_login(&b, 2, KEYS(""));
	clear_attention(&b);
	hold = true;
	send_read(&a, 0, 8);
	send_read(&b, 8, 8);
	run_until(nr_held == 2);
	send_logout(&b);
	client_close(&a);
	client_login(&a, 1, KEYS("")); /* the same initiator port */
	receive(&b, OP_LOGOUT_RESPONSE);
	run_until(closed_by_target(&b));
	old = target;
	*deleted = false;
	iscsi_target_delete(old, set_flag, NULL);
	assert_null(iscsi_target_find(1));
	hold = false;
	make_target(1);
	*deleted = false;
	client_close(&b);
	client_login(&b, 2, KEYS(""));
	run_until(closed_by_target(&a) || try_receive(&a));
	run_until(*deleted);
	assert_int_equal(sessions_total(), 3); /* two hang, one is new */
	complete_all();
	run_until(sessions_total() == 1);
}

static void reinstatement_ends_the_former_session(void **state)
{
	(void)state;
	client_login(&a, 1, KEYS(""));
	client_login(&b, 1, KEYS(""));
	run_until(closed_by_target(&a));
	run_until(sessions_total() == 1);
	send_nop(&b);
	receive(&b, OP_NOP_IN);
}

/* RFC 7143 11.9.1: who loses the target is told. */
static void a_deleted_target_says_so(void **state)
{
	(void)state;
	client_login(&a, 1, KEYS(""));
	run_until(sessions_total() == 1);
	flag = false;
	iscsi_target_delete(target, set_flag, NULL);
	target = NULL;
	receive(&a, OP_ASYNC_MESSAGE);
	assert_int_equal(a.bhs[36], ASYNC_DROP_SESSION);
	run_until(closed_by_target(&a));
	run_until(flag);
}

static void shutdown_lets_commands_end(void **state)
{
	uint32_t itt;

	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	client_login(&b, 2, KEYS(""));
	hold = true;
	itt = send_read(&a, 0, 8);
	run_until(nr_held == 1);
	flag = false;
	iscsi_shutdown(5000, set_flag, NULL);
	receive(&b, OP_ASYNC_MESSAGE); /* an idle session ends at once */
	run_for(50);
	assert_false(flag);
	complete_all();
	receive(&a, OP_DATA_IN);
	assert_int_equal(pdu_itt(a.bhs), itt);
	receive(&a, OP_ASYNC_MESSAGE);
	run_until(flag);
	assert_int_equal(sessions_total(), 0);
}

static void shutdown_does_not_wait_for_a_hung_store(void **state)
{
	(void)state;
	client_login(&a, 1, KEYS(""));
	clear_attention(&a);
	hold = true;
	send_read(&a, 0, 8);
	run_until(nr_held == 1);
	flag = false;
	iscsi_shutdown(50, set_flag, NULL);
	run_until(flag);
	assert_int_equal(sessions_total(), 1);
}

/* An initiator that sends and never reads is stopped from sending, and costs no more memory. */
static void a_peer_that_does_not_read_is_not_read(void **state)
{
	static uint8_t ping[BHS_LEN + 4096];
	size_t sent = 0;

	(void)state;
	client_login(&a, 1, KEYS(""));
	pdu_init(ping, OP_NOP_OUT | PDU_IMMEDIATE, PDU_FINAL, 77);
	put_be24(ping + 5, 4096);
	put_be32(ping + 20, TAG_NONE);
	for (int idle = 0; idle < 50 && sent < 256u << 20;) {
		ssize_t n = send(a.fd, ping + sent % sizeof(ping),
				 sizeof(ping) - sent % sizeof(ping), MSG_DONTWAIT | MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		run_for(1);
	}
	/* what the sockets hold of both directions, and the queue */
	assert_true(sent < 64u << 20);
	/* when it reads again, every ping that was sent whole is answered */
	for (size_t left = sent / sizeof(ping); left; left--) {
		receive(&a, OP_NOP_IN);
		assert_int_equal(a.data_len, 4096);
	}
}

/* A peer that sends a login and stops reads nothing but a few KiB; it can't be told from a slow
 * one. */
static void half_a_login_is_no_session(void **state)
{
	uint8_t bhs[BHS_LEN];

	(void)state;
	client_connect(&a);
	pdu_init(bhs, OP_LOGIN | PDU_IMMEDIATE, PDU_FINAL | 1 << 2 | 3, 7);
	put_be24(bhs + 5, 500);
	send(a.fd, bhs, BHS_LEN, MSG_NOSIGNAL);
	run_for(50);
	assert_int_equal(sessions_total(), 0);
	assert_false(list_empty(control_conns()));
	client_close(&a);
	run_until(list_empty(control_conns()));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(immediate_data_wait_for_a_parked_command),
	    TEST(unsolicited_data_wait_for_a_parked_command),
	    TEST(an_abort_waits_for_the_store),
	    TEST(a_reset_waits_for_data_asked_for),
	    TEST(the_window_never_shrinks),
	    TEST(a_lost_connection_waits_for_the_store),
	    TEST(a_logout_ends_commands),
	    TEST(a_hung_store_holds_nobody_up),
	    TEST(reinstatement_ends_the_former_session),
	    TEST(a_deleted_target_says_so),
	    TEST(shutdown_lets_commands_end),
	    TEST(shutdown_does_not_wait_for_a_hung_store),
	    TEST(a_peer_that_does_not_read_is_not_read),
	    TEST(half_a_login_is_no_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
