/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tgtadm/print.h"

static const char *yes_no(const struct value *lu, const char *member)
{
	return value_true(lu, member) ? "Yes" : "No";
}

static void print_nexuses(const struct value *nexuses)
{
	value_each(nexuses, nexus)
	{
		const char *alias = value_text(nexus, "alias");

		printf("        I_T nexus: %lld\n", value_number(nexus, "id"));
		printf("            Initiator: %s alias: %s\n", value_text(nexus, "initiator"),
		       *alias ? alias : "none");
		value_each(value_member(nexus, "connections"), conn)
		{
			printf("            Connection: %lld\n", value_number(conn, "id"));
			printf("                IP Address: %s\n", value_text(conn, "address"));
		}
	}
}

static void print_store(const struct value *store)
{
	const char *path = value_text(store, "path"), *before = "";

	printf("            Backing store type: %s\n", value_text(store, "type"));
	printf("            Backing store path: %s\n", *path ? path : "None");
	printf("            Backing store flags: ");
	value_each(value_member(store, "flags"), flag)
	{
		printf("%s%s", before, value_as_text(flag));
		before = ":";
	}
	printf("\n");
}

static void print_lu(const struct value *lu)
{
	/* millions of bytes, rounded */
	long long size = (value_number(lu, "size") + 500000) / 1000000;

	printf("        LUN: %lld\n", value_number(lu, "lun"));
	printf("            Type: %s\n", value_text(lu, "type"));
	printf("            SCSI ID: %s\n", value_text(lu, "scsi_id"));
	printf("            SCSI SN: %s\n", value_text(lu, "scsi_sn"));
	printf("            Size: %lld MB, Block size: %lld\n", size,
	       value_number(lu, "block_size"));
	printf("            Online: %s\n", yes_no(lu, "online"));
	printf("            Removable media: %s\n", yes_no(lu, "removable"));
	printf("            Prevent removal: %s\n", yes_no(lu, "prevent_removal"));
	printf("            Readonly: %s\n", yes_no(lu, "readonly"));
	printf("            SWP: %s\n", yes_no(lu, "swp"));
	printf("            Thin-provisioning: %s\n", yes_no(lu, "thin_provisioning"));
	print_store(value_member(lu, "store"));
}

static void print_accounts(const struct value *accounts)
{
	printf("    Account information:\n");
	value_each(accounts, account)
	{
		printf("        %s%s\n", value_text(account, "user"),
		       value_true(account, "outgoing") ? " (outgoing)" : "");
	}
}

/* A target with one port that is as it was made has none of this: so it is with tgt 1.0. */
static bool has_port_groups(const struct value *groups)
{
	const struct value *first = value_begin(groups);
	size_t count = value_count(groups);

	return count > 1 ||
	       (count && (strcmp(value_text(first, "state"), "active/optimized") != 0 ||
			  value_true(first, "preferred")));
}

static void print_port_groups(const struct value *groups)
{
	if (!has_port_groups(groups))
		return;
	printf("    Port group information:\n");
	value_each(groups, group)
	{
		printf("        Port group: %lld\n", value_number(group, "group"));
		printf("            State: %s\n", value_text(group, "state"));
		printf("            Preferred: %s\n", yes_no(group, "preferred"));
	}
}

static void print_target(const struct value *target)
{
	long long interval = value_number(target, "nop_interval");

	printf("Target %lld: %s\n", value_number(target, "tid"), value_text(target, "name"));
	printf("    System information:\n");
	printf("        Driver: %s\n", value_text(target, "driver"));
	printf("        State: %s\n", value_text(target, "state"));
	if (interval) {
		printf("        Nop interval: %lld\n", interval);
		printf("        Nop count: %lld\n", value_number(target, "nop_count"));
	}
	printf("    I_T nexus information:\n");
	print_nexuses(value_member(target, "nexuses"));
	printf("    LUN information:\n");
	value_each(value_member(target, "luns"), row)
	{
		print_lu(row);
	}
	print_accounts(value_member(target, "accounts"));
	printf("    ACL information:\n");
	value_each(value_member(target, "acl"), row)
	{
		printf("        %s\n", value_as_text(row));
	}
	print_port_groups(value_member(target, "port_groups"));
}

/* All targets, or the parameters of one. */
void adm_print_targets(const struct value *result)
{
	const struct value *parameters = value_member(result, "parameters");

	value_each(parameters, row)
	{
		printf("%s=%s\n", value_text(row, "name"), value_text(row, "value"));
	}
	if (parameters)
		return;
	value_each(value_member(result, "targets"), row)
	{
		print_target(row);
	}
}

void adm_print_sessions(const struct value *result)
{
	value_each(value_member(result, "sessions"), session)
	{
		printf("Session: %lld\n", value_number(session, "id"));
		value_each(value_member(session, "connections"), conn)
		{
			printf("    Connection: %lld\n", value_number(conn, "id"));
			printf("        Initiator: %s\n", value_text(session, "initiator"));
			printf("        IP Address: %s\n", value_text(conn, "address"));
		}
	}
}
