/* SPDX-License-Identifier: MIT */
#include "tgtadm/print.h"

#include <stdio.h>

/* Words of an array, with separator between them. */
static void print_words(const struct value *words, const char *separator)
{
	const char *before = "";

	value_each(words, word)
	{
		printf("%s%s", before, value_as_text(word));
		before = separator;
	}
}

static void print_drivers(const struct value *result)
{
	printf("LLDs:\n");
	value_each(value_member(result, "drivers"), row)
	{
		printf("    %s: %s\n", value_text(row, "name"), value_text(row, "state"));
	}
}

static void print_system(const struct value *result)
{
	printf("System:\n");
	printf("    State: %s\n", value_text(result, "state"));
	printf("    debug: %s\n", value_true(result, "debug") ? "on" : "off");
	print_drivers(result);
	printf("Backing stores:\n");
	value_each(value_member(result, "backing_stores"), row)
	{
		const struct value *flags = value_member(row, "bsoflags");

		printf("    %s", value_text(row, "name"));
		if (value_count(flags)) {
			printf(" (bsoflags ");
			print_words(flags, ":");
			printf(")");
		}
		printf("\n");
	}
	printf("Device types:\n");
	value_each(value_member(result, "device_types"), row)
	{
		printf("    %s\n", value_as_text(row));
	}
	/* no iSNS client; the lines stay, for those who parse them */
	printf("iSNS:\n    iSNS=Off\n    iSNSServerIP=\n    iSNSServerPort=3205\n"
	       "    iSNSAccessControl=Off\n");
}

static void print_portals(const struct value *result)
{
	value_each(value_member(result, "portals"), row)
	{
		printf("Portal: %s,%lld\n", value_text(row, "address"),
		       value_number(row, "group_tag"));
	}
}

static void print_accounts(const struct value *result)
{
	const struct value *accounts = value_member(result, "accounts");

	if (value_count(accounts))
		printf("Account list:\n");
	value_each(accounts, row)
	{
		printf("    %s\n", value_as_text(row));
	}
}

static void print_pair(const struct value *row, const char *bytes, const char *count)
{
	printf(" %12lld %6lld", value_number(row, bytes), value_number(row, count));
}

static void print_counters(const struct value *result)
{
	printf("tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) "
	       "wr_subm(bytes,cmds) wr_done(bytes,cmds) errs\n");
	value_each(value_member(result, "counters"), row)
	{
		printf("%3lld %3lld %3lld", value_number(row, "tid"), value_number(row, "lun"),
		       value_number(row, "sid"));
		print_pair(row, "read_submitted_bytes", "read_submitted");
		print_pair(row, "read_done_bytes", "read_done");
		print_pair(row, "write_submitted_bytes", "write_submitted");
		print_pair(row, "write_done_bytes", "write_done");
		printf(" %4lld\n", value_number(row, "errors"));
	}
}

static void print_module(const struct value *module)
{
	printf("    %s\n", value_text(module, "name"));
	printf("        Description: %s\n", value_text(module, "help"));
	printf("        File: %s\n", value_text(module, "file"));
	printf("        Version: %s\n", value_text(module, "version"));
	printf("        ABI: %s\n", value_text(module, "abi"));
	printf("        Kind: %s\n", value_text(module, "kind"));
	printf("        Thread model: %s\n", value_text(module, "thread_model"));
	printf("        Capabilities: ");
	print_words(value_member(module, "capabilities"), " ");
	printf("\n        Options:\n");
	value_each(value_member(module, "options"), row)
	{
		const char *preset = value_text(row, "default");

		printf("            %s (%s%s%s): %s\n", value_text(row, "name"),
		       value_text(row, "type"), *preset ? ", default " : "", preset,
		       value_text(row, "help"));
	}
	printf("        LUNs:\n");
	value_each(value_member(module, "luns"), row)
	{
		printf("            target %lld LUN %lld\n", value_number(row, "tid"),
		       value_number(row, "lun"));
	}
}

static void print_modules(const struct value *result)
{
	printf("Backing stores:\n");
	value_each(value_member(result, "modules"), row)
	{
		print_module(row);
	}
	printf("Failed:\n");
	value_each(value_member(result, "failed"), row)
	{
		printf("    %s: %s\n", value_text(row, "file"), value_text(row, "reason"));
	}
}

static void print_show(enum adm_mode mode, const struct value *result)
{
	switch (mode) {
	case MODE_SYSTEM:
		print_system(result);
		break;
	case MODE_TARGET:
		adm_print_targets(result);
		break;
	case MODE_PORTAL:
		print_portals(result);
		break;
	case MODE_SESSION:
	case MODE_CONNECTION:
		adm_print_sessions(result);
		break;
	case MODE_ACCOUNT:
		print_accounts(result);
		break;
	case MODE_LLD:
		print_drivers(result);
		break;
	case MODE_BACKINGSTORE:
		print_modules(result);
		break;
	case MODE_LOGICALUNIT:
	case MODE_NONE:
		break;
	}
}

void adm_print(const struct adm_options *options, const struct value *result)
{
	if (options->op == OP_SHOW)
		print_show(options->mode, result);
	else if (options->op == OP_STAT)
		print_counters(result);
}
