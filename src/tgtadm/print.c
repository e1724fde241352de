/* SPDX-License-Identifier: MIT */
#include "tgtadm/print.h"

#include <stdio.h>

const char *adm_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

json_int_t adm_number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

bool adm_true(const json_t *object, const char *member)
{
	return json_is_true(json_object_get(object, member));
}

/* Words of an array, with separator between them. */
static void print_words(const json_t *words, const char *separator)
{
	size_t i;
	json_t *word;

	json_array_foreach(words, i, word)
	{
		printf("%s%s", i ? separator : "", json_string_value(word));
	}
}

static void print_drivers(const json_t *result)
{
	size_t i;
	json_t *row;

	printf("LLDs:\n");
	json_array_foreach(json_object_get(result, "drivers"), i, row)
	{
		printf("    %s: %s\n", adm_text(row, "name"), adm_text(row, "state"));
	}
}

static void print_system(const json_t *result)
{
	size_t i;
	json_t *row;

	printf("System:\n");
	printf("    State: %s\n", adm_text(result, "state"));
	printf("    debug: %s\n", adm_true(result, "debug") ? "on" : "off");
	print_drivers(result);
	printf("Backing stores:\n");
	json_array_foreach(json_object_get(result, "backing_stores"), i, row)
	{
		const json_t *flags = json_object_get(row, "bsoflags");

		printf("    %s", adm_text(row, "name"));
		if (json_array_size(flags)) {
			printf(" (bsoflags ");
			print_words(flags, ":");
			printf(")");
		}
		printf("\n");
	}
	printf("Device types:\n");
	json_array_foreach(json_object_get(result, "device_types"), i, row)
	{
		printf("    %s\n", json_string_value(row));
	}
	/* no iSNS client; the lines stay, for those who parse them */
	printf("iSNS:\n    iSNS=Off\n    iSNSServerIP=\n    iSNSServerPort=3205\n"
	       "    iSNSAccessControl=Off\n");
}

static void print_portals(const json_t *result)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(result, "portals"), i, row)
	{
		printf("Portal: %s,%lld\n", adm_text(row, "address"),
		       (long long)adm_number(row, "group_tag"));
	}
}

static void print_accounts(const json_t *result)
{
	const json_t *accounts = json_object_get(result, "accounts");
	size_t i;
	json_t *row;

	if (json_array_size(accounts))
		printf("Account list:\n");
	json_array_foreach(accounts, i, row)
	{
		printf("    %s\n", json_string_value(row));
	}
}

static void print_pair(const json_t *row, const char *bytes, const char *count)
{
	printf(" %12lld %6lld", (long long)adm_number(row, bytes),
	       (long long)adm_number(row, count));
}

static void print_counters(const json_t *result)
{
	size_t i;
	json_t *row;

	printf("tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) "
	       "wr_subm(bytes,cmds) wr_done(bytes,cmds) errs\n");
	json_array_foreach(json_object_get(result, "counters"), i, row)
	{
		printf("%3lld %3lld %3lld", (long long)adm_number(row, "tid"),
		       (long long)adm_number(row, "lun"), (long long)adm_number(row, "sid"));
		print_pair(row, "read_submitted_bytes", "read_submitted");
		print_pair(row, "read_done_bytes", "read_done");
		print_pair(row, "write_submitted_bytes", "write_submitted");
		print_pair(row, "write_done_bytes", "write_done");
		printf(" %4lld\n", (long long)adm_number(row, "errors"));
	}
}

static void print_module(const json_t *module)
{
	size_t i;
	json_t *row;

	printf("    %s\n", adm_text(module, "name"));
	printf("        Description: %s\n", adm_text(module, "help"));
	printf("        File: %s\n", adm_text(module, "file"));
	printf("        Version: %s\n", adm_text(module, "version"));
	printf("        ABI: %s\n", adm_text(module, "abi"));
	printf("        Kind: %s\n", adm_text(module, "kind"));
	printf("        Thread model: %s\n", adm_text(module, "thread_model"));
	printf("        Capabilities: ");
	print_words(json_object_get(module, "capabilities"), " ");
	printf("\n        Options:\n");
	json_array_foreach(json_object_get(module, "options"), i, row)
	{
		const char *preset = adm_text(row, "default");

		printf("            %s (%s%s%s): %s\n", adm_text(row, "name"),
		       adm_text(row, "type"), *preset ? ", default " : "", preset,
		       adm_text(row, "help"));
	}
	printf("        LUNs:\n");
	json_array_foreach(json_object_get(module, "luns"), i, row)
	{
		printf("            target %lld LUN %lld\n", (long long)adm_number(row, "tid"),
		       (long long)adm_number(row, "lun"));
	}
}

static void print_modules(const json_t *result)
{
	size_t i;
	json_t *row;

	printf("Backing stores:\n");
	json_array_foreach(json_object_get(result, "modules"), i, row)
	{
		print_module(row);
	}
	printf("Failed:\n");
	json_array_foreach(json_object_get(result, "failed"), i, row)
	{
		printf("    %s: %s\n", adm_text(row, "file"), adm_text(row, "reason"));
	}
}

static void print_show(enum adm_mode mode, const json_t *result)
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

void adm_print(const struct adm_options *options, const json_t *result)
{
	if (options->op == OP_SHOW)
		print_show(options->mode, result);
	else if (options->op == OP_STAT)
		print_counters(result);
}
