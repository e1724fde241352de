/* SPDX-License-Identifier: MIT */
/*
 * The elements of a media changer (SMC-3) and the cartridges in them: what is where, without the
 * commands that show and move it.  All of it changes inside exclusive operations on the changer's
 * LU only; so readers need no lock.
 */
#ifndef TGT_SCSI_CHANGER_H
#define TGT_SCSI_CHANGER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANGER_ELEMENTS_MAX 4096u
#define CHANGER_BARCODE_MAX 33 /* with its NUL: a volume tag has 32 bytes (SMC-3) */
#define CHANGER_DEVICE_ID_MAX 64
#define CHANGER_PATH_MAX 3800

/* ELEMENT TYPE CODE, SMC-3 READ ELEMENT STATUS */
enum element_type {
	ELEMENT_ALL = 0,
	ELEMENT_TRANSPORT = 1,
	ELEMENT_STORAGE = 2,
	ELEMENT_MAIL = 3, /* import/export */
	ELEMENT_DRIVE = 4 /* data transfer */
};
#define ELEMENT_TYPES 5

struct cartridge {
	char barcode[CHANGER_BARCODE_MAX]; /* also the name of its file below media_home */
	char tag[CHANGER_BARCODE_MAX];     /* volume tag; empty: the barcode */
	uint16_t source;                   /* the storage element that it was moved from last */
	bool has_source;
	bool imported; /* in a mail slot: an operator put it there */
	uint32_t hung; /* not 0: on its way to or from a drive that hangs; it can't be moved */
};

struct element {
	uint16_t address;
	uint8_t type; /* enum element_type */
	bool full;
	struct cartridge cartridge;
	bool open; /* a mail slot: the operator may reach in, the robot can't */
	/* drives */
	bool has_drive;
	uint32_t hung; /* not 0: it doesn't end to load or unload */
	uint32_t tid, lun;
	char device_id[CHANGER_DEVICE_ID_MAX]; /* T10 vendor ID designator, for DVCID */
};

/* Where a cartridge was when the daemon ended, until its element is configured again. */
struct placement {
	uint16_t address;
	struct cartridge cartridge;
};

struct changer {
	unsigned count;
	struct element *elements; /* ascending by address */
	unsigned nr_known;
	struct placement *known;
	char *media_home; /* NULL: barcodes are paths relative to the daemon's directory */
	/* changer_state.c's, on workers: one at a time writes what is where, and none once it is
	 * forgotten */
	pthread_mutex_t keeping;
	bool forgotten;
};

void changer_free(struct changer *changer);
/* Elements and cartridges as they are now; NULL: out of memory. */
struct changer *changer_copy(const struct changer *changer);
/* They are again as in the copy, which holds what they were instead. */
void changer_restore(struct changer *changer, struct changer *copy);

/* Adds quantity elements from address on.  NULL; or why not, and nothing has changed. */
const char *changer_add(struct changer *changer, enum element_type type, uint16_t address,
			uint16_t quantity);
/* Where the cartridge was before, if its element isn't there yet; or NULL. */
const struct placement *changer_known(const struct changer *changer, const char *barcode);
void changer_forget(struct changer *changer, const char *barcode);
/* NULL: there is no such element. */
struct element *changer_find(const struct changer *changer, uint16_t address);
/* Nothing can be moved out of it or into it: a drive hangs that it is, or has to do with. */
static inline bool changer_is_hung(const struct element *element)
{
	return element->hung || (element->full && element->cartridge.hung);
}
/* The element that holds the cartridge, or NULL. */
struct element *changer_holder(const struct changer *changer, const char *barcode);
/* The drive's element, or NULL. */
struct element *changer_drive(const struct changer *changer, uint32_t tid, uint32_t lun);
/* First address and number of elements of a type; 0 of them: both are 0. */
void changer_range(const struct changer *changer, enum element_type type, uint16_t *first,
		   uint16_t *number);

/* Puts a cartridge in, as the operator.  NULL or why not. */
const char *changer_insert(struct element *element, const char *barcode, const char *tag);
/* Moves what is in one element to another one that is empty. */
void changer_carry(struct element *from, struct element *to);
/* The volume tag that initiators see of a full element. */
const char *changer_tag(const struct element *element);
/* The path of a cartridge's file, of at most size bytes.  False: it is too long. */
bool changer_path(const struct changer *changer, const char *barcode, char *path, size_t size);
/* A barcode that can be a file's name and a volume tag. */
bool changer_good_barcode(const char *barcode);

#endif
