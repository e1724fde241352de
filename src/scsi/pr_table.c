/* SPDX-License-Identifier: MIT */
/* The registrations of a logical unit. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scsi/pr.h"
#include "util/bytes.h"

#define TRANSPORT_ID_HEADER 4u
#define ISCSI_WITH_ISID 0x45 /* format 01b, protocol identifier 5h */

struct pr_table *pr_table_copy(const struct pr_table *from, unsigned extra)
{
	unsigned count = from ? from->count : 0;
	unsigned room = extra > PR_REGISTRATIONS_MAX - count ? PR_REGISTRATIONS_MAX : count + extra;
	struct pr_table *copy = calloc(1, sizeof(*copy) + room * sizeof(copy->registrations[0]));

	if (!copy)
		return NULL;
	if (from)
		memcpy(copy, from, sizeof(*from) + count * sizeof(from->registrations[0]));
	copy->room = room;
	return copy;
}

void pr_port_of_nexus(struct pr_port *port, const struct nexus *nexus)
{
	memset(port, 0, sizeof(*port));
	port->relative_port = nexus->relative_port;
	port->id_len = nexus->transport_id_len;
	memcpy(port->id, nexus->transport_id, nexus->transport_id_len);
}

/* iSCSI names and the hexadecimal digits of an ISID compare without case, and padding says nothing
 * (RFC 7143 4.2.7, SPC-5 7.6.4.6). */
static bool same_id(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t min = a_len < b_len ? a_len : b_len;
	const char *x = (const char *)a + TRANSPORT_ID_HEADER;
	const char *y = (const char *)b + TRANSPORT_ID_HEADER;

	if (min < TRANSPORT_ID_HEADER || a[0] != b[0])
		return a_len == b_len && memcmp(a, b, a_len) == 0;
	if (strnlen(x, a_len - TRANSPORT_ID_HEADER) != strnlen(y, b_len - TRANSPORT_ID_HEADER))
		return false;
	return strncasecmp(x, y, min - TRANSPORT_ID_HEADER) == 0;
}

bool pr_port_is_nexus(const struct pr_port *port, const struct nexus *nexus)
{
	return (port->all_ports || port->relative_port == nexus->relative_port) &&
	       same_id(port->id, port->id_len, nexus->transport_id, nexus->transport_id_len);
}

bool pr_port_equal(const struct pr_port *a, const struct pr_port *b)
{
	return (a->all_ports || b->all_ports || a->relative_port == b->relative_port) &&
	       same_id(a->id, a->id_len, b->id, b->id_len);
}

struct pr_registration *pr_find_nexus(struct pr_table *table, const struct nexus *nexus)
{
	for (unsigned i = 0; i < table->count; i++)
		if (pr_port_is_nexus(&table->registrations[i].port, nexus))
			return &table->registrations[i];
	return NULL;
}

struct pr_registration *pr_find_port(struct pr_table *table, const struct pr_port *port)
{
	for (unsigned i = 0; i < table->count; i++)
		if (pr_port_equal(&table->registrations[i].port, port))
			return &table->registrations[i];
	return NULL;
}

struct pr_registration *pr_add(struct pr_table *table, const struct pr_port *port, uint64_t key)
{
	struct pr_registration *r;

	if (table->count == table->room)
		return NULL;
	r = &table->registrations[table->count++];
	*r = (struct pr_registration){.key = key, .port = *port};
	return r;
}

void pr_remove(struct pr_table *table, struct pr_registration *registration)
{
	size_t at = (size_t)(registration - table->registrations);

	table->count--;
	memmove(registration, registration + 1, (table->count - at) * sizeof(*registration));
}

bool pr_is_all_registrants(uint8_t type)
{
	return type == PR_WRITE_EXCLUSIVE_ALL || type == PR_EXCLUSIVE_ACCESS_ALL;
}

bool pr_is_registrants(uint8_t type)
{
	return pr_is_all_registrants(type) || type == PR_WRITE_EXCLUSIVE_REGISTRANTS ||
	       type == PR_EXCLUSIVE_ACCESS_REGISTRANTS;
}

bool pr_type_valid(uint8_t type)
{
	return type == PR_WRITE_EXCLUSIVE || type == PR_EXCLUSIVE_ACCESS || pr_is_registrants(type);
}

bool pr_is_holder(const struct pr_table *table, const struct pr_registration *registration)
{
	return registration->holder || pr_is_all_registrants(table->type);
}

/* The name and ISID of an iSCSI TransportID: text that ends in NUL, with ",i,0x" in it. */
static bool good_port_name(const uint8_t *at, size_t len)
{
	const char *name = (const char *)at;
	const char *separator;

	if (strnlen(name, len) == len)
		return false;
	separator = strstr(name, ",i,0x");
	return separator && separator != name && separator[5] != '\0';
}

size_t pr_parse_transport_id(const uint8_t *at, size_t len, struct pr_port *port)
{
	size_t size;

	if (len < TRANSPORT_ID_HEADER || at[0] != ISCSI_WITH_ISID)
		return 0;
	size = TRANSPORT_ID_HEADER + get_be16(at + 2);
	if (size > len || size > TRANSPORT_ID_MAX || size < 24 || size % 4)
		return 0;
	if (!good_port_name(at + TRANSPORT_ID_HEADER, size - TRANSPORT_ID_HEADER))
		return 0;
	memset(port, 0, sizeof(*port));
	memcpy(port->id, at, size);
	port->id_len = (uint16_t)size;
	return size;
}
