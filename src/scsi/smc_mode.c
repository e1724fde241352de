/* SPDX-License-Identifier: MIT */
/* The media changer's mode pages (SMC-3 7.3). */
#include <string.h>

#include "scsi/mode.h"
#include "scsi/smc.h"

#define ADDRESS_ASSIGNMENT 0x1d
#define TRANSPORT_GEOMETRY 0x1e
#define DEVICE_CAPABILITIES 0x1f

/* What can hold cartridges: storage, import/export and data transfer elements; from each of them to
 * each, and exchanged between them (SMC-3 Device Capabilities mode page). */
#define HOLDS 0x0e
static const uint8_t capabilities[20] = {
    DEVICE_CAPABILITIES, 18, HOLDS, 0, 0, HOLDS, HOLDS, HOLDS, 0, 0, 0, 0, 0, HOLDS, HOLDS, HOLDS};
static const uint8_t none_changeable[MODE_PAGE_BYTES];

static void put_addresses(const struct changer *changer, uint8_t page[20])
{
	static const enum element_type order[] = {ELEMENT_TRANSPORT, ELEMENT_STORAGE, ELEMENT_MAIL,
						  ELEMENT_DRIVE};

	memset(page, 0, 20);
	page[0] = ADDRESS_ASSIGNMENT;
	page[1] = 18;
	for (unsigned i = 0; i < 4; i++) {
		uint16_t first, number;

		changer_range(changer, order[i], &first, &number);
		put_be16(page + 2 + 4 * (size_t)i, first);
		put_be16(page + 4 + 4 * (size_t)i, number);
	}
}

/* One descriptor for all hands: none of them can turn a cartridge over. */
static const uint8_t geometry[4] = {TRANSPORT_GEOMETRY, 2, 0, 0};

void smc_add_mode_pages(struct mode_state *state, const struct changer *changer)
{
	uint8_t addresses[20];

	put_addresses(changer, addresses);
	mode_add_page(state, addresses, sizeof(addresses), none_changeable);
	mode_add_page(state, geometry, sizeof(geometry), none_changeable);
	mode_add_page(state, capabilities, sizeof(capabilities), none_changeable);
}

void smc_elements_changed(struct lu *lu)
{
	struct mode_page *page = mode_find(lu->mode, ADDRESS_ASSIGNMENT, 0);
	uint8_t values[MODE_PAGE_BYTES] = {0};

	put_addresses(lu->changer, values);
	mode_set_defaults(page, values);
	mode_refresh(lu->mode);
}
