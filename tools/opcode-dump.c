/* SPDX-License-Identifier: MIT */
/*
 * Prints the rows of every command set as JSON, an array of objects, one line each: what
 * ci/conformance-page makes doc/conformance.md of.  Not installed.
 */
#include <stdio.h>

#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/cleanup.h"

static const struct {
	unsigned flag;
	const char *name;
} flag_names[] = {
    {ROW_MEDIUM, "medium"},
    {ROW_WRITES, "writes"},
    {ROW_RANGE, "range"},
    {ROW_EXCLUSIVE_RANGE, "exclusive range"},
    {ROW_EXCLUSIVE, "exclusive"},
    {ROW_SKIP_UA, "skips unit attentions"},
    {ROW_NO_LU, "no logical unit"},
    {ROW_OFFLINE, "offline"},
    {ROW_LONG, "long"},
};
static const char *const rules[] = {
    [PR_ALLOWED] = "allowed",
    [PR_READ] = "reads",
    [PR_WRITE] = "writes",
    [PR_SPECIAL] = "special",
};
static const char *const places[] = {
    [PT_TO_DEVICE] = "device",
    [PT_TO_CORE] = "core",
    [PT_REFUSED] = "refused",
    [PT_TO_RESERVATIONS] = "reservations",
};
static const char *separator = "[";

/* Names have no quote, backslash or control character; a row that gets one must not go unnoticed.
 */
static void print_text(const char *key, const char *text)
{
	printf("\"%s\": \"", key);
	for (; *text; text++)
		putchar(*text == '"' || *text == '\\' || (unsigned char)*text < 0x20 ? '?' : *text);
	printf("\", ");
}

static void print_route(const struct pt_route *route)
{
	if (!route)
		return;
	print_text("where",
		   route->where == PT_TO_DEVICE && route->run ? "changed" : places[route->where]);
	if (route->why)
		print_text("why", route->why);
}

static void print_row(const char *set, const struct opcode_row *row)
{
	const char *comma = "";

	printf("%s\n{", separator);
	separator = ",";
	print_text("set", set);
	printf("\"opcode\": %u, \"service_action\": ", row->opcode);
	if (row->service_action == NO_SERVICE_ACTION)
		printf("null, ");
	else
		printf("%d, ", row->service_action);
	print_text("name", row->name);
	print_text("clause", row->clause);
	print_text("pr", rules[row->pr]);
	print_route(row->route);
	printf("\"cdb_length\": %u, \"conditional\": %s, \"flags\": [", row->cdb_len,
	       row->available ? "true" : "false");
	for (unsigned i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (!(row->flags & flag_names[i].flag))
			continue;
		printf("%s\"%s\"", comma, flag_names[i].name);
		comma = ", ";
	}
	printf("]}");
}

static void print_set(const char *name, const struct command_set *set)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(set, &count);

	for (unsigned i = 0; i < count; i++)
		print_row(name, rows[i]);
}

int main(void)
{
	static const struct {
		uint8_t device_type;
		const char *name;
	} passed[] = {
	    {0x00, "passed disk"},   {0x01, "passed tape"},  {0x08, "passed changer"},
	    {0x05, "passed CD/DVD"}, {0x1e, "passed other"},
	};

	opcode_init();
	print_set("disk", &disk_commands);
	print_set("controller", &controller_commands);
	print_set("tape", &tape_commands);
	print_set("changer", &changer_commands);
	print_set("none", &no_lu_commands);
	for (unsigned i = 0; i < ARRAY_SIZE(passed); i++)
		print_set(passed[i].name, passthrough_set(passed[i].device_type, false));
	puts("\n]");
	return 0;
}
