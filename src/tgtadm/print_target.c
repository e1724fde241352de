/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tgtadm/print.h"

static const char *yes_no(const json_t *lu, const char *member)
{
	return adm_true(lu, member) ? "Yes" : "No";
}

static void print_nexuses(const json_t *nexuses)
{
	size_t i, j;
	json_t *nexus, *conn;

	json_array_foreach(nexuses, i, nexus)
	{
		const char *alias = adm_text(nexus, "alias");

		printf("        I_T nexus: %lld\n", (long long)adm_number(nexus, "id"));
		printf("            Initiator: %s alias: %s\n", adm_text(nexus, "initiator"),
		       *alias ? alias : "none");
		json_array_foreach(json_object_get(nexus, "connections"), j, conn)
		{
			printf("            Connection: %lld\n", (long long)adm_number(conn, "id"));
			printf("                IP Address: %s\n", adm_text(conn, "address"));
		}
	}
}

static void print_store(const json_t *store)
{
	const char *path = adm_text(store, "path");
	size_t i;
	json_t *flag;

	printf("            Backing store type: %s\n", adm_text(store, "type"));
	printf("            Backing store path: %s\n", *path ? path : "None");
	printf("            Backing store flags: ");
	json_array_foreach(json_object_get(store, "flags"), i, flag)
	{
		printf("%s%s", i ? ":" : "", json_string_value(flag));
	}
	printf("\n");
}

static void print_lu(const json_t *lu)
{
	/* millions of bytes, rounded */
	long long size = ((long long)adm_number(lu, "size") + 500000) / 1000000;

	printf("        LUN: %lld\n", (long long)adm_number(lu, "lun"));
	printf("            Type: %s\n", adm_text(lu, "type"));
	printf("            SCSI ID: %s\n", adm_text(lu, "scsi_id"));
	printf("            SCSI SN: %s\n", adm_text(lu, "scsi_sn"));
	printf("            Size: %lld MB, Block size: %lld\n", size,
	       (long long)adm_number(lu, "block_size"));
	printf("            Online: %s\n", yes_no(lu, "online"));
	printf("            Removable media: %s\n", yes_no(lu, "removable"));
	printf("            Prevent removal: %s\n", yes_no(lu, "prevent_removal"));
	printf("            Readonly: %s\n", yes_no(lu, "readonly"));
	printf("            SWP: %s\n", yes_no(lu, "swp"));
	printf("            Thin-provisioning: %s\n", yes_no(lu, "thin_provisioning"));
	print_store(json_object_get(lu, "store"));
}

static void print_accounts(const json_t *accounts)
{
	size_t i;
	json_t *account;

	printf("    Account information:\n");
	json_array_foreach(accounts, i, account)
	{
		printf("        %s%s\n", adm_text(account, "user"),
		       adm_true(account, "outgoing") ? " (outgoing)" : "");
	}
}

/* A target with one port that is as it was made has none of this: so it is with tgt 1.0. */
static bool has_port_groups(const json_t *groups)
{
	const json_t *first = json_array_get(groups, 0);

	return json_array_size(groups) > 1 ||
	       (first && (strcmp(adm_text(first, "state"), "active/optimized") != 0 ||
			  adm_true(first, "preferred")));
}

static void print_port_groups(const json_t *groups)
{
	size_t i;
	json_t *group;

	if (!has_port_groups(groups))
		return;
	printf("    Port group information:\n");
	json_array_foreach(groups, i, group)
	{
		printf("        Port group: %lld\n", (long long)adm_number(group, "group"));
		printf("            State: %s\n", adm_text(group, "state"));
		printf("            Preferred: %s\n", yes_no(group, "preferred"));
	}
}

static void print_target(const json_t *target)
{
	long long interval = (long long)adm_number(target, "nop_interval");
	size_t i;
	json_t *row;

	printf("Target %lld: %s\n", (long long)adm_number(target, "tid"), adm_text(target, "name"));
	printf("    System information:\n");
	printf("        Driver: %s\n", adm_text(target, "driver"));
	printf("        State: %s\n", adm_text(target, "state"));
	if (interval) {
		printf("        Nop interval: %lld\n", interval);
		printf("        Nop count: %lld\n", (long long)adm_number(target, "nop_count"));
	}
	printf("    I_T nexus information:\n");
	print_nexuses(json_object_get(target, "nexuses"));
	printf("    LUN information:\n");
	json_array_foreach(json_object_get(target, "luns"), i, row)
	{
		print_lu(row);
	}
	print_accounts(json_object_get(target, "accounts"));
	printf("    ACL information:\n");
	json_array_foreach(json_object_get(target, "acl"), i, row)
	{
		printf("        %s\n", json_string_value(row));
	}
	print_port_groups(json_object_get(target, "port_groups"));
}

/* All targets, or the parameters of one. */
void adm_print_targets(const json_t *result)
{
	const json_t *parameters = json_object_get(result, "parameters");
	size_t i;
	json_t *row;

	json_array_foreach(parameters, i, row)
	{
		printf("%s=%s\n", adm_text(row, "name"), adm_text(row, "value"));
	}
	if (parameters)
		return;
	json_array_foreach(json_object_get(result, "targets"), i, row)
	{
		print_target(row);
	}
}

void adm_print_sessions(const json_t *result)
{
	size_t i, j;
	json_t *session, *conn;

	json_array_foreach(json_object_get(result, "sessions"), i, session)
	{
		printf("Session: %lld\n", (long long)adm_number(session, "id"));
		json_array_foreach(json_object_get(session, "connections"), j, conn)
		{
			printf("    Connection: %lld\n", (long long)adm_number(conn, "id"));
			printf("        Initiator: %s\n", adm_text(session, "initiator"));
			printf("        IP Address: %s\n", adm_text(conn, "address"));
		}
	}
}
