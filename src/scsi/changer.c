/* SPDX-License-Identifier: MIT */
#include "scsi/changer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void changer_free(struct changer *changer)
{
	if (!changer)
		return;
	free(changer->elements);
	free(changer->known);
	free(changer->media_home);
	pthread_mutex_destroy(&changer->keeping);
	free(changer);
}

static void *copy_array(const void *array, size_t count, size_t size)
{
	void *copy = calloc(count + 1, size);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

struct changer *changer_copy(const struct changer *changer)
{
	struct changer *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->elements = copy_array(changer->elements, changer->count, sizeof(*copy->elements));
	copy->known = copy_array(changer->known, changer->nr_known, sizeof(*copy->known));
	copy->media_home = changer->media_home ? strdup(changer->media_home) : NULL;
	if (!copy->elements || !copy->known || (changer->media_home && !copy->media_home)) {
		changer_free(copy);
		return NULL;
	}
	copy->count = changer->count;
	copy->nr_known = changer->nr_known;
	return copy;
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swap_ = (a);                                                         \
		(a) = (b);                                                                         \
		(b) = swap_;                                                                       \
	} while (0)

void changer_restore(struct changer *changer, struct changer *copy)
{
	SWAP(changer->count, copy->count);
	SWAP(changer->elements, copy->elements);
	SWAP(changer->nr_known, copy->nr_known);
	SWAP(changer->known, copy->known);
	SWAP(changer->media_home, copy->media_home);
}

static int compare(const void *a, const void *b)
{
	const struct element *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

struct element *changer_find(const struct changer *changer, uint16_t address)
{
	const struct element wanted = {.address = address};

	return changer->count
		   ? bsearch(&wanted, changer->elements, changer->count, sizeof(wanted), compare)
		   : NULL;
}

/* They are there already, as they would be made. */
static bool has_elements(const struct changer *changer, enum element_type type, uint16_t address,
			 uint16_t quantity)
{
	for (unsigned i = 0; i < quantity; i++) {
		const struct element *e = address + i <= UINT16_MAX
					      ? changer_find(changer, (uint16_t)(address + i))
					      : NULL;

		if (!e || e->type != type)
			return false;
	}
	return quantity;
}

static const char *check_range(const struct changer *changer, uint16_t address, uint16_t quantity)
{
	/* SMC-3: 0 is the default medium transport element in MOVE MEDIUM */
	if (!address)
		return "an element's address is from 1 to 65535";
	if (!quantity || quantity - 1u > (unsigned)UINT16_MAX - address)
		return "quantity: there are no such addresses";
	if (quantity > CHANGER_ELEMENTS_MAX - changer->count)
		return "a changer has at most 4096 elements";
	for (unsigned i = 0; i < changer->count; i++) {
		uint16_t other = changer->elements[i].address;

		if (other >= address && other - address < quantity)
			return "an address is an element's already";
	}
	return NULL;
}

const struct placement *changer_known(const struct changer *changer, const char *barcode)
{
	for (unsigned i = 0; i < changer->nr_known; i++)
		if (strcmp(changer->known[i].cartridge.barcode, barcode) == 0)
			return &changer->known[i];
	return NULL;
}

void changer_forget(struct changer *changer, const char *barcode)
{
	unsigned left = 0;

	for (unsigned i = 0; i < changer->nr_known; i++)
		if (strcmp(changer->known[i].cartridge.barcode, barcode) != 0)
			changer->known[left++] = changer->known[i];
	changer->nr_known = left;
}

/* What was in the new elements before the daemon ended is in them again. */
static void place_known(struct changer *changer)
{
	unsigned left = 0;

	for (unsigned i = 0; i < changer->nr_known; i++) {
		struct element *e = changer_find(changer, changer->known[i].address);

		if (!e || e->full || e->type == ELEMENT_TRANSPORT) {
			changer->known[left++] = changer->known[i];
			continue;
		}
		e->cartridge = changer->known[i].cartridge;
		e->full = true;
	}
	changer->nr_known = left;
}

/* The Element Address Assignment mode page tells of one range of each type (SMC-3). */
static bool is_adjacent(const struct changer *changer, enum element_type type, uint16_t address,
			uint16_t quantity)
{
	uint16_t first, number;

	changer_range(changer, type, &first, &number);
	return !number || address == first + number || address + quantity == first;
}

const char *changer_add(struct changer *changer, enum element_type type, uint16_t address,
			uint16_t quantity)
{
	const char *why;
	struct element *bigger;

	if (has_elements(changer, type, address, quantity))
		return NULL;
	why = check_range(changer, address, quantity);
	if (!why && !is_adjacent(changer, type, address, quantity))
		why = "the addresses of elements of one type have no gaps";
	if (why)
		return why;
	bigger = reallocarray(changer->elements, changer->count + quantity, sizeof(*bigger));
	if (!bigger)
		return "out of memory";
	changer->elements = bigger;
	for (unsigned i = 0; i < quantity; i++)
		bigger[changer->count++] =
		    (struct element){.address = (uint16_t)(address + i), .type = (uint8_t)type};
	qsort(changer->elements, changer->count, sizeof(*changer->elements), compare);
	place_known(changer);
	return NULL;
}

struct element *changer_holder(const struct changer *changer, const char *barcode)
{
	for (unsigned i = 0; i < changer->count; i++) {
		struct element *e = &changer->elements[i];

		if (e->full && strcmp(e->cartridge.barcode, barcode) == 0)
			return e;
	}
	return NULL;
}

struct element *changer_drive(const struct changer *changer, uint32_t tid, uint32_t lun)
{
	for (unsigned i = 0; i < changer->count; i++) {
		struct element *e = &changer->elements[i];

		if (e->has_drive && e->tid == tid && e->lun == lun)
			return e;
	}
	return NULL;
}

void changer_range(const struct changer *changer, enum element_type type, uint16_t *first,
		   uint16_t *number)
{
	*first = *number = 0;
	for (unsigned i = 0; i < changer->count; i++) {
		if (changer->elements[i].type != type)
			continue;
		if (!*number)
			*first = changer->elements[i].address;
		++*number;
	}
}

bool changer_good_barcode(const char *barcode)
{
	size_t length = strlen(barcode);

	if (!length || length >= CHANGER_BARCODE_MAX || *barcode == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (barcode[i] <= 0x20 || barcode[i] > 0x7e || barcode[i] == '/')
			return false;
	return true;
}

const char *changer_insert(struct element *element, const char *barcode, const char *tag)
{
	struct cartridge *c = &element->cartridge;

	if (element->full)
		return "the element is full";
	if (!changer_good_barcode(barcode))
		return "a barcode has 1 to 32 printable characters, no blank and no /";
	if (strlen(tag) >= CHANGER_BARCODE_MAX)
		return "a volume tag has at most 32 characters";
	*c = (struct cartridge){.imported = element->type == ELEMENT_MAIL};
	snprintf(c->barcode, sizeof(c->barcode), "%s", barcode);
	snprintf(c->tag, sizeof(c->tag), "%s", tag);
	element->full = true;
	return NULL;
}

void changer_carry(struct element *from, struct element *to)
{
	if (from == to)
		return;
	to->cartridge = from->cartridge;
	to->full = true;
	from->full = false;
	to->cartridge.imported = false;
	/* SMC-3: the storage element from which it was moved; elsewhere the last one stays */
	if (from->type == ELEMENT_STORAGE || from->type == ELEMENT_MAIL) {
		to->cartridge.source = from->address;
		to->cartridge.has_source = true;
	}
}

const char *changer_tag(const struct element *element)
{
	return *element->cartridge.tag ? element->cartridge.tag : element->cartridge.barcode;
}

bool changer_path(const struct changer *changer, const char *barcode, char *path, size_t size)
{
	int length = changer->media_home
			 ? snprintf(path, size, "%s/%s", changer->media_home, barcode)
			 : snprintf(path, size, "%s", barcode);

	return length > 0 && (size_t)length < size;
}
