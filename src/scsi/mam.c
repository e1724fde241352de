/* SPDX-License-Identifier: MIT */
#include "scsi/mam.h"

#include <isa-l/crc.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "scsi/lu.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define MAGIC 0x7467746du /* "tgtm" */
#define VERSION 1

/* ---- the attributes ---- */

/* By identifier. */
static const struct mam_type types[] = {
    {0x0000, 8, MAM_BINARY, false, true},   /* REMAINING CAPACITY IN PARTITION */
    {0x0001, 8, MAM_BINARY, false, true},   /* MAXIMUM CAPACITY IN PARTITION */
    {0x0002, 8, MAM_BINARY, false, false},  /* TAPEALERT FLAGS */
    {0x0003, 8, MAM_BINARY, false, false},  /* LOAD COUNT */
    {0x0004, 8, MAM_BINARY, false, false},  /* MAM SPACE REMAINING */
    {0x0005, 8, MAM_ASCII, false, false},   /* ASSIGNING ORGANIZATION */
    {0x0006, 1, MAM_BINARY, false, false},  /* FORMATTED DENSITY CODE */
    {0x0007, 2, MAM_BINARY, false, false},  /* INITIALIZATION COUNT */
    {0x0008, 32, MAM_ASCII, false, false},  /* VOLUME IDENTIFIER */
    {0x020a, 40, MAM_ASCII, false, false},  /* DEVICE VENDOR/SERIAL NUMBER AT LAST LOAD */
    {0x020b, 40, MAM_ASCII, false, false},  /* … LOAD-1 */
    {0x020c, 40, MAM_ASCII, false, false},  /* … LOAD-2 */
    {0x020d, 40, MAM_ASCII, false, false},  /* … LOAD-3 */
    {0x0220, 8, MAM_BINARY, false, false},  /* TOTAL MBYTES WRITTEN IN MEDIUM LIFE */
    {0x0221, 8, MAM_BINARY, false, false},  /* TOTAL MBYTES READ IN MEDIUM LIFE */
    {0x0222, 8, MAM_BINARY, false, false},  /* TOTAL MBYTES WRITTEN IN CURRENT/LAST LOAD */
    {0x0223, 8, MAM_BINARY, false, false},  /* TOTAL MBYTES READ IN CURRENT/LAST LOAD */
    {0x0400, 8, MAM_ASCII, false, false},   /* MEDIUM MANUFACTURER */
    {0x0401, 32, MAM_ASCII, false, false},  /* MEDIUM SERIAL NUMBER */
    {0x0402, 4, MAM_BINARY, false, false},  /* MEDIUM LENGTH */
    {0x0403, 4, MAM_BINARY, false, false},  /* MEDIUM WIDTH */
    {0x0404, 8, MAM_ASCII, false, false},   /* ASSIGNING ORGANIZATION */
    {0x0405, 1, MAM_BINARY, false, false},  /* MEDIUM DENSITY CODE */
    {0x0406, 8, MAM_ASCII, false, false},   /* MEDIUM MANUFACTURE DATE */
    {0x0407, 8, MAM_BINARY, false, false},  /* MAM CAPACITY */
    {0x0408, 1, MAM_BINARY, false, false},  /* MEDIUM TYPE */
    {0x0409, 2, MAM_BINARY, false, false},  /* MEDIUM TYPE INFORMATION */
    {0x0800, 8, MAM_ASCII, false, false},   /* APPLICATION VENDOR */
    {0x0801, 32, MAM_ASCII, false, false},  /* APPLICATION NAME */
    {0x0802, 8, MAM_ASCII, false, false},   /* APPLICATION VERSION */
    {0x0803, 160, MAM_TEXT, false, false},  /* USER MEDIUM TEXT LABEL */
    {0x0804, 12, MAM_ASCII, false, false},  /* DATE AND TIME LAST WRITTEN */
    {0x0805, 1, MAM_BINARY, false, false},  /* TEXT LOCALIZATION IDENTIFIER */
    {0x0806, 32, MAM_ASCII, false, false},  /* BARCODE */
    {0x0807, 80, MAM_TEXT, false, false},   /* OWNING HOST TEXTUAL NAME */
    {0x0808, 160, MAM_TEXT, false, false},  /* MEDIA POOL */
    {0x0809, 16, MAM_ASCII, false, true},   /* PARTITION USER TEXT LABEL */
    {0x080a, 1, MAM_BINARY, false, true},   /* LOAD/UNLOAD AT PARTITION */
    {0x080b, 16, MAM_ASCII, false, false},  /* APPLICATION FORMAT VERSION */
    {0x080c, 1023, MAM_BINARY, true, true}, /* VOLUME COHERENCY INFORMATION */
    {0x0820, 36, MAM_BINARY, false, false}, /* MEDIUM GLOBALLY UNIQUE IDENTIFIER */
    {0x0821, 36, MAM_BINARY, false, false}, /* MEDIA POOL GLOBALLY UNIQUE IDENTIFIER */
};

/* SPC-5: 1400h to 17FFh are the hosts' own. */
static const struct mam_type vendor_specific = {0x1400, MAM_ATTRIBUTE_MAX, MAM_BINARY, true, false};

const struct mam_type *mam_type(uint16_t id)
{
	if (id >= 0x1400 && mam_is_host(id))
		return &vendor_specific;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

const struct mam_type *mam_type_at(unsigned index)
{
	return index < ARRAY_SIZE(types) ? &types[index] : NULL;
}

static uint8_t partition_of(uint16_t id, uint8_t partition)
{
	const struct mam_type *type = mam_type(id);

	return type && type->per_partition ? partition : MAM_SHARED;
}

/* Whether a host may have written this: what a blob is checked by, too. */
static bool is_valid(uint16_t id, uint8_t format, size_t len)
{
	const struct mam_type *type = mam_is_host(id) ? mam_type(id) : NULL;

	if (!type || format > MAM_TEXT || len > type->len)
		return false;
	if (type == &vendor_specific)
		return true;
	return format == type->format && (type->variable || len == type->len);
}

/* ---- attributes of hosts ---- */

bool mam_next(const struct mam *mam, uint32_t *at, struct mam_entry *entry)
{
	const uint8_t *e = mam->host + *at;

	if (*at >= mam->host_len)
		return false;
	entry->id = get_be16(e);
	entry->partition = e[2];
	entry->format = e[3];
	entry->len = get_be16(e + 4);
	entry->value = e + MAM_ENTRY;
	*at += MAM_ENTRY + entry->len;
	return true;
}

bool mam_find(const struct mam *mam, uint16_t id, uint8_t partition, struct mam_entry *entry)
{
	uint8_t wanted = partition_of(id, partition);
	uint32_t at = 0;

	while (mam_next(mam, &at, entry))
		if (entry->id == id && entry->partition == wanted)
			return true;
	return false;
}

static void delete_entry(struct mam *mam, uint16_t id, uint8_t partition)
{
	struct mam_entry e;
	uint32_t start, size;

	if (!mam_find(mam, id, partition, &e))
		return;
	start = (uint32_t)(e.value - mam->host) - MAM_ENTRY;
	size = MAM_ENTRY + e.len;
	memmove(mam->host + start, mam->host + start + size, mam->host_len - start - size);
	mam->host_len -= size;
}

static uint32_t key_of(uint16_t id, uint8_t partition)
{
	return (uint32_t)id << 8 | partition;
}

/* False: there is no room. */
static bool insert_entry(struct mam *mam, const struct mam_entry *new)
{
	uint32_t at = 0, start = 0, size = MAM_ENTRY + new->len;
	struct mam_entry e;

	if (size > MAM_ROOM - mam->host_len)
		return false;
	while (mam_next(mam, &at, &e) &&
	       key_of(e.id, e.partition) < key_of(new->id, new->partition))
		start = at;
	memmove(mam->host + start + size, mam->host + start, mam->host_len - start);
	put_be16(mam->host + start, new->id);
	mam->host[start + 2] = new->partition;
	mam->host[start + 3] = new->format;
	put_be16(mam->host + start + 4, new->len);
	memcpy(mam->host + start + MAM_ENTRY, new->value, new->len);
	mam->host_len += size;
	return true;
}

/* One attribute as SPC-5's MAM attribute format has it. */
#define HEADER 5u

static enum mam_result write_one(struct mam *mam, uint8_t partition, const uint8_t *a)
{
	struct mam_entry e = {
	    .id = get_be16(a), .format = a[2] & 0x03, .len = get_be16(a + 3), .value = a + HEADER};

	e.partition = partition_of(e.id, partition);
	delete_entry(mam, e.id, partition);
	return !e.len || insert_entry(mam, &e) ? MAM_DONE : MAM_FULL;
}

/* SPC-5 WRITE ATTRIBUTE: ascending, known, not read only, of its format and length; length 0 takes
 * it away. */
static enum mam_result check_one(const uint8_t *a, size_t len, int previous, size_t *field)
{
	uint16_t id, size;

	if (len < HEADER)
		return MAM_CUT_SHORT;
	id = get_be16(a);
	size = get_be16(a + 3);
	if (id <= previous || !mam_is_host(id) || !mam_type(id))
		return MAM_BAD_FIELD;
	if (size > len - HEADER)
		return MAM_CUT_SHORT;
	if (size && !is_valid(id, a[2] & 0x03, size)) {
		*field += (a[2] & 0x03) == mam_type(id)->format ? 3 : 2;
		return MAM_BAD_FIELD;
	}
	return MAM_DONE;
}

enum mam_result mam_write(struct mam *mam, uint8_t partition, const uint8_t *list, size_t len,
			  size_t *field)
{
	enum mam_result result = MAM_DONE;
	int previous = -1;

	for (size_t at = 0; at < len && result == MAM_DONE;) {
		*field = at;
		result = check_one(list + at, len - at, previous, field);
		if (result == MAM_DONE)
			result = write_one(mam, partition, list + at);
		if (result != MAM_DONE)
			break;
		previous = get_be16(list + at);
		at += HEADER + get_be16(list + at + 3);
	}
	return result;
}

/* ---- its life ---- */

void mam_init(struct mam *mam, const char *serial)
{
	uint64_t number = 0;
	char text[33] = "";
	struct tm now;
	time_t t = time(NULL);

	memset(mam, 0, sizeof(*mam));
	mam->initializations = 1;
	if (serial && *serial) {
		put_ascii(mam->serial, sizeof(mam->serial), serial);
	} else if (getrandom(&number, sizeof(number), GRND_NONBLOCK) == sizeof(number)) {
		snprintf(text, sizeof(text), "%016llX", (unsigned long long)number);
		put_ascii(mam->serial, sizeof(mam->serial), text);
	} else {
		put_ascii(mam->serial, sizeof(mam->serial), "");
	}
	if (gmtime_r(&t, &now) && strftime(text, sizeof(text), "%Y%m%d", &now) == 8)
		memcpy(mam->made, text, sizeof(mam->made));
	else
		memset(mam->made, ' ', sizeof(mam->made));
}

void mam_note_load(struct mam *mam, const struct lu_identity *drive)
{
	mam->load_count++;
	memmove(mam->drives[1], mam->drives[0], sizeof(mam->drives) - sizeof(mam->drives[0]));
	put_ascii(mam->drives[0], 8, drive->vendor_id);
	put_ascii(mam->drives[0] + 8, 32, drive->scsi_sn);
}

void mam_note_unload(struct mam *mam, uint64_t written, uint64_t read)
{
	mam->written += written;
	mam->read += read;
	mam->last_written = written;
	mam->last_read = read;
}

/* ---- kept: everything big-endian; last the CRC32C of all before it ---- */

static uint32_t checksum(const uint8_t *blob, size_t len)
{
	return crc32_iscsi((unsigned char *)(uintptr_t)blob, (int)len, ~0u);
}

size_t mam_encode(const struct mam *mam, uint8_t *blob)
{
	size_t len = MAM_FIXED + mam->host_len;

	memset(blob, 0, MAM_FIXED);
	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	put_be16(blob + 6, mam->initializations);
	put_be64(blob + 8, mam->load_count);
	put_be64(blob + 16, mam->written);
	put_be64(blob + 24, mam->read);
	put_be64(blob + 32, mam->last_written);
	put_be64(blob + 40, mam->last_read);
	memcpy(blob + 48, mam->drives, sizeof(mam->drives));
	memcpy(blob + 208, mam->serial, sizeof(mam->serial));
	memcpy(blob + 240, mam->made, sizeof(mam->made));
	memcpy(blob + MAM_FIXED, mam->host, mam->host_len);
	put_be32(blob + len, checksum(blob, len));
	return len + 4;
}

static bool entries_are_valid(const struct mam *mam)
{
	uint32_t at = 0, left;
	int64_t previous = -1;
	struct mam_entry e;

	while ((left = mam->host_len - at)) {
		if (left < MAM_ENTRY || get_be16(mam->host + at + 4) > left - MAM_ENTRY)
			return false;
		mam_next(mam, &at, &e);
		if (!e.len || !is_valid(e.id, e.format, e.len) ||
		    e.partition != partition_of(e.id, e.partition) ||
		    key_of(e.id, e.partition) <= previous)
			return false;
		previous = key_of(e.id, e.partition);
	}
	return true;
}

bool mam_decode(struct mam *mam, const uint8_t *blob, size_t len)
{
	if (len < MAM_FIXED + 4 || len > MAM_BLOB_MAX || get_be32(blob) != MAGIC ||
	    get_be16(blob + 4) != VERSION || get_be32(blob + len - 4) != checksum(blob, len - 4))
		return false;
	mam->initializations = get_be16(blob + 6);
	mam->load_count = get_be64(blob + 8);
	mam->written = get_be64(blob + 16);
	mam->read = get_be64(blob + 24);
	mam->last_written = get_be64(blob + 32);
	mam->last_read = get_be64(blob + 40);
	memcpy(mam->drives, blob + 48, sizeof(mam->drives));
	memcpy(mam->serial, blob + 208, sizeof(mam->serial));
	memcpy(mam->made, blob + 240, sizeof(mam->made));
	mam->host_len = (uint32_t)(len - MAM_FIXED - 4);
	memcpy(mam->host, blob + MAM_FIXED, mam->host_len);
	return entries_are_valid(mam);
}
