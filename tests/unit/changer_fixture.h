/* SPDX-License-Identifier: MIT */
/* A media changer for tests: the real SCSI core on one reactor; a test fills in the elements. */
#ifndef TGT_TEST_CHANGER_FIXTURE_H
#define TGT_TEST_CHANGER_FIXTURE_H

#include "disk_fixture.h"
#include "scsi/changer.h"

static struct disk *unit;

static struct element *at(uint16_t address)
{
	struct element *e = changer_find(unit->lu->changer, address);

	assert_non_null(e);
	return e;
}

static void changer_made(void *arg, struct lu *lu, const char *error)
{
	(void)error;
	((struct disk *)arg)->lu = lu;
	target_publish_lu(fixture.target, lu, post, arg);
}

static void make_changer(struct disk *d)
{
	const struct lu_config config = {
	    .target = fixture.target, .lun = fixture.next_lun++, .commands = &changer_commands};

	lu_create(&config, changer_made, d);
}

/* fill(unit) posts. */
static void changer_open(void (*fill)(struct disk *d))
{
	unit = calloc(1, sizeof(*unit));
	assert_non_null(unit);
	unit->task.module_data = calloc(1, 64);
	sem_init(&unit->done, 0, 0);
	sem_init(&unit->is_held, 0, 0);
	on_reactor(unit, make_changer);
	assert_non_null(unit->lu);
	on_reactor(unit, fill);
	COMMAND(unit, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0); /* takes the unit attention */
}

#endif
