/* SPDX-License-Identifier: MIT */
/*
 * Which command of a device that is passed through goes where.  What is not listed goes to the
 * device as it comes, as if it wrote, with its data the way that the initiator expects.
 *
 * The device knows one initiator, this machine, and one target, its own.  So the core answers what
 * is about the nexuses and the ports of the target here, and refuses what would act on those of the
 * device's.
 */
#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/cleanup.h"

#define DISK (1u << PT_DISK)
#define TAPE (1u << PT_TAPE)
#define CHANGER (1u << PT_CHANGER)
#define CD (1u << PT_CD)
#define OTHER (1u << PT_OTHER)
#define ALL_BUT_CD (DISK | TAPE | CHANGER | OTHER) /* MMC-6 uses A3h and A4h otherwise */

#define ACTION(number) .has_action = true, .service_action = number
#define IN .direction = PT_DATA_IN
#define OUT .direction = PT_DATA_OUT
#define ANY .direction = PT_DATA_ANY
#define READS .pr = PR_READ
#define WRITES .pr = PR_WRITE
#define SLOW .time = PT_SLOW
#define LONG .time = PT_LONG
#define ON(types) .groups = types
#define ALSO(bits) .flags = bits
#define CORE(reason) .where = PT_TO_CORE, .why = reason
#define REFUSE(reason) .where = PT_REFUSED, .why = reason
#define KEPT .where = PT_TO_RESERVATIONS, .why = "the device knows one nexus only"

#define THIRD_PARTY                                                                                \
	"a copy would be this machine's: it reaches what the initiator may not, past reservations"
#define ITS_PORTS "the device's ports and nexuses are not those of this target"

static const struct pt_route routes[] = {
    /* SPC-5 */
    {.opcode = 0x00, ALSO(PT_AGAIN), .name = "TEST UNIT READY"},
    {.opcode = 0x03,
     IN,
     ALSO(PT_SKIP_UA | PT_OFFLINE | PT_ACCESS),
     .run = passthrough_request_sense,
     .name = "REQUEST SENSE"},
    {.opcode = 0x12,
     IN,
     ALSO(PT_SKIP_UA | PT_OFFLINE | PT_ACCESS),
     .run = passthrough_inquiry,
     .name = "INQUIRY"},
    {.opcode = 0x15, OUT, WRITES, ALSO(PT_TELL | PT_STANDBY), .name = "MODE SELECT(6)"},
    {.opcode = 0x16, KEPT, .name = "RESERVE(6)"},
    {.opcode = 0x17, KEPT, .name = "RELEASE(6)"},
    {.opcode = 0x1a, IN, READS, ALSO(PT_AGAIN | PT_STANDBY), .name = "MODE SENSE(6)"},
    {.opcode = 0x1c, IN, READS, ALSO(PT_STANDBY), .name = "RECEIVE DIAGNOSTIC RESULTS"},
    {.opcode = 0x1d, ANY, WRITES, LONG, ALSO(PT_STANDBY), .name = "SEND DIAGNOSTIC"},
    {.opcode = 0x1e, .run = passthrough_prevent, .name = "PREVENT ALLOW MEDIUM REMOVAL"},
    {.opcode = 0x3b, OUT, WRITES, SLOW, .name = "WRITE BUFFER"},
    {.opcode = 0x3c, IN, READS, .name = "READ BUFFER(10)"},
    {.opcode = 0x4c, ANY, WRITES, ALSO(PT_KEEPS | PT_STANDBY), .name = "LOG SELECT"},
    {.opcode = 0x4d, IN, ALSO(PT_AGAIN | PT_STANDBY), .name = "LOG SENSE"},
    {.opcode = 0x55, OUT, WRITES, ALSO(PT_TELL | PT_STANDBY), .name = "MODE SELECT(10)"},
    {.opcode = 0x56, KEPT, ON(ALL_BUT_CD), .name = "RESERVE(10)"},
    {.opcode = 0x57, KEPT, ON(ALL_BUT_CD), .name = "RELEASE(10)"},
    {.opcode = 0x5a, IN, READS, ALSO(PT_AGAIN | PT_STANDBY), .name = "MODE SENSE(10)"},
    {.opcode = 0x5e, IN, KEPT, ALSO(PT_STANDBY), .name = "PERSISTENT RESERVE IN"},
    {.opcode = 0x5f, OUT, KEPT, ALSO(PT_STANDBY), .name = "PERSISTENT RESERVE OUT"},
    {.opcode = 0x83, REFUSE(THIRD_PARTY), .name = "EXTENDED COPY"},
    {.opcode = 0x84, REFUSE(THIRD_PARTY), .name = "RECEIVE COPY RESULTS"},
    {.opcode = 0x86, REFUSE(ITS_PORTS), .name = "ACCESS CONTROL IN"},
    {.opcode = 0x87, REFUSE(ITS_PORTS), .name = "ACCESS CONTROL OUT"},
    {.opcode = 0x8c, IN, READS, .name = "READ ATTRIBUTE"},
    {.opcode = 0x8d, OUT, WRITES, .name = "WRITE ATTRIBUTE"},
    {.opcode = 0x9b, IN, READS, .name = "READ BUFFER(16)"},
    {.opcode = 0xa0, IN, CORE("the logical units of this target"), .name = "REPORT LUNS"},
    {.opcode = 0xa2, IN, READS, .name = "SECURITY PROTOCOL IN"},
    {.opcode = 0xa3, ACTION(0x05), IN, ON(ALL_BUT_CD), .name = "REPORT IDENTIFYING INFORMATION"},
    {.opcode = 0xa3,
     ACTION(0x0a),
     IN,
     ON(ALL_BUT_CD),
     CORE(ITS_PORTS),
     .name = "REPORT TARGET PORT GROUPS"},
    {.opcode = 0xa3, ACTION(0x0b), ON(ALL_BUT_CD), REFUSE(THIRD_PARTY), .name = "REPORT ALIASES"},
    {.opcode = 0xa3,
     ACTION(0x0c),
     IN,
     READS,
     ON(ALL_BUT_CD),
     ALSO(PT_AGAIN | PT_STANDBY | PT_UNAVAILABLE),
     .run = passthrough_opcodes,
     .name = "REPORT SUPPORTED OPERATION CODES"},
    {.opcode = 0xa3,
     ACTION(0x0d),
     IN,
     READS,
     ON(ALL_BUT_CD),
     CORE("the core manages the tasks"),
     .name = "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS"},
    {.opcode = 0xa3, ACTION(0x0e), ON(ALL_BUT_CD), REFUSE(ITS_PORTS), .name = "REPORT PRIORITY"},
    {.opcode = 0xa3, ACTION(0x0f), IN, ON(ALL_BUT_CD), .name = "REPORT TIMESTAMP"},
    {.opcode = 0xa4,
     ACTION(0x0a),
     OUT,
     WRITES,
     ON(ALL_BUT_CD),
     CORE(ITS_PORTS),
     .name = "SET TARGET PORT GROUPS"},
    {.opcode = 0xa4, ACTION(0x0b), ON(ALL_BUT_CD), REFUSE(THIRD_PARTY), .name = "CHANGE ALIASES"},
    {.opcode = 0xa4, ACTION(0x0e), ON(ALL_BUT_CD), REFUSE(ITS_PORTS), .name = "SET PRIORITY"},
    {.opcode = 0xb5, OUT, WRITES, SLOW, ON(DISK | TAPE | CD), .name = "SECURITY PROTOCOL OUT"},

    /* SBC-4, and what MMC-6 has of it */
    {.opcode = 0x04, ANY, WRITES, LONG, ON(DISK | CD), .name = "FORMAT UNIT"},
    {.opcode = 0x07, OUT, WRITES, SLOW, ON(DISK), .name = "REASSIGN BLOCKS"},
    {.opcode = 0x08, IN, READS, ON(DISK), ALSO(PT_AGAIN | PT_SPLIT), .name = "READ(6)"},
    {.opcode = 0x0a, OUT, WRITES, ON(DISK), ALSO(PT_SPLIT), .name = "WRITE(6)"},
    {.opcode = 0x1b, WRITES, SLOW, ON(DISK | CD), ALSO(PT_KEEPS), .name = "START STOP UNIT"},
    {.opcode = 0x25,
     IN,
     ON(DISK | CD),
     ALSO(PT_AGAIN),
     .run = passthrough_read_capacity,
     .name = "READ CAPACITY(10)"},
    {.opcode = 0x28, IN, READS, ON(DISK | CD), ALSO(PT_AGAIN | PT_SPLIT), .name = "READ(10)"},
    {.opcode = 0x2a, OUT, WRITES, ON(DISK | CD), ALSO(PT_SPLIT), .name = "WRITE(10)"},
    {.opcode = 0x2e,
     OUT,
     WRITES,
     SLOW,
     ON(DISK | CD),
     ALSO(PT_SPLIT),
     .name = "WRITE AND VERIFY(10)"},
    {.opcode = 0x2f, ANY, READS, SLOW, ON(DISK | CD), .name = "VERIFY(10)"},
    {.opcode = 0x34, READS, SLOW, ON(DISK), .name = "PRE-FETCH(10)"},
    {.opcode = 0x35, WRITES, SLOW, ON(DISK), ALSO(PT_KEEPS), .name = "SYNCHRONIZE CACHE(10)"},
    {.opcode = 0x37, IN, READS, SLOW, ON(DISK), .name = "READ DEFECT DATA(10)"},
    {.opcode = 0x3e, IN, READS, ON(DISK), .name = "READ LONG(10)"},
    {.opcode = 0x41, OUT, WRITES, LONG, ON(DISK), .name = "WRITE SAME(10)"},
    {.opcode = 0x42, OUT, WRITES, SLOW, ON(DISK), .name = "UNMAP"},
    {.opcode = 0x48, ANY, WRITES, LONG, ON(DISK), .name = "SANITIZE"},
    {.opcode = 0x85, ANY, WRITES, SLOW, ON(DISK | OTHER), .name = "ATA PASS-THROUGH(16)"},
    {.opcode = 0x88, IN, READS, ON(DISK), ALSO(PT_AGAIN | PT_SPLIT), .name = "READ(16)"},
    {.opcode = 0x89, OUT, WRITES, ON(DISK), .name = "COMPARE AND WRITE"},
    {.opcode = 0x8a, OUT, WRITES, ON(DISK), ALSO(PT_SPLIT), .name = "WRITE(16)"},
    {.opcode = 0x8b, OUT, WRITES, ON(DISK), .name = "ORWRITE(16)"},
    {.opcode = 0x8e, OUT, WRITES, SLOW, ON(DISK), ALSO(PT_SPLIT), .name = "WRITE AND VERIFY(16)"},
    {.opcode = 0x8f, ANY, READS, LONG, ON(DISK), .name = "VERIFY(16)"},
    {.opcode = 0x90, READS, SLOW, ON(DISK), .name = "PRE-FETCH(16)"},
    {.opcode = 0x91, WRITES, SLOW, ON(DISK), ALSO(PT_KEEPS), .name = "SYNCHRONIZE CACHE(16)"},
    {.opcode = 0x93, ANY, WRITES, LONG, ON(DISK), .name = "WRITE SAME(16)"},
    {.opcode = 0x94, ANY, WRITES, SLOW, ON(DISK), .name = "ZBC OUT"},
    {.opcode = 0x95, IN, READS, ON(DISK), .name = "ZBC IN"},
    {.opcode = 0x9c, OUT, WRITES, ON(DISK), .name = "WRITE ATOMIC(16)"},
    {.opcode = 0x9e,
     ACTION(0x10),
     IN,
     ON(DISK),
     ALSO(PT_AGAIN),
     .run = passthrough_read_capacity,
     .name = "READ CAPACITY(16)"},
    {.opcode = 0x9e, ACTION(0x11), IN, READS, ON(DISK), .name = "READ LONG(16)"},
    {.opcode = 0x9e, ACTION(0x12), IN, READS, ON(DISK), ALSO(PT_AGAIN), .name = "GET LBA STATUS"},
    {.opcode = 0xa1, ANY, WRITES, SLOW, ON(DISK | OTHER), .name = "ATA PASS-THROUGH(12)"},
    {.opcode = 0xa8, IN, READS, ON(DISK | CD), ALSO(PT_AGAIN | PT_SPLIT), .name = "READ(12)"},
    {.opcode = 0xaa, OUT, WRITES, ON(DISK | CD), ALSO(PT_SPLIT), .name = "WRITE(12)"},
    {.opcode = 0xae, OUT, WRITES, SLOW, ON(DISK), ALSO(PT_SPLIT), .name = "WRITE AND VERIFY(12)"},
    {.opcode = 0xaf, ANY, READS, LONG, ON(DISK), .name = "VERIFY(12)"},
    {.opcode = 0xb7, IN, READS, SLOW, ON(DISK), .name = "READ DEFECT DATA(12)"},

    /* SSC-5; the position is the medium's, so who moves it disturbs whoever writes */
    {.opcode = 0x01, WRITES, LONG, ON(TAPE), ALSO(PT_KEEPS), .name = "REWIND"},
    {.opcode = 0x04, ANY, WRITES, LONG, ON(TAPE), .name = "FORMAT MEDIUM"},
    {.opcode = 0x05, IN, ON(TAPE), ALSO(PT_AGAIN), .name = "READ BLOCK LIMITS"},
    {.opcode = 0x08, IN, READS, SLOW, ON(TAPE), .name = "READ(6)"},
    {.opcode = 0x0a, OUT, WRITES, SLOW, ON(TAPE), .name = "WRITE(6)"},
    {.opcode = 0x0b, WRITES, LONG, ON(TAPE), .name = "SET CAPACITY"},
    {.opcode = 0x0f, IN, READS, SLOW, ON(TAPE), .name = "READ REVERSE(6)"},
    {.opcode = 0x10, WRITES, SLOW, ON(TAPE), .name = "WRITE FILEMARKS(6)"},
    {.opcode = 0x11, WRITES, LONG, ON(TAPE), ALSO(PT_KEEPS), .name = "SPACE(6)"},
    {.opcode = 0x13, ANY, READS, LONG, ON(TAPE), .name = "VERIFY(6)"},
    {.opcode = 0x19, WRITES, LONG, ON(TAPE), .name = "ERASE(6)"},
    {.opcode = 0x1b, WRITES, SLOW, ON(TAPE), ALSO(PT_KEEPS), .name = "LOAD UNLOAD"},
    {.opcode = 0x2b, WRITES, LONG, ON(TAPE), ALSO(PT_KEEPS), .name = "LOCATE(10)"},
    {.opcode = 0x34, IN, READS, ON(TAPE), ALSO(PT_AGAIN), .name = "READ POSITION"},
    {.opcode = 0x44, IN, READS, ON(TAPE), ALSO(PT_AGAIN), .name = "REPORT DENSITY SUPPORT"},
    {.opcode = 0x80, WRITES, SLOW, ON(TAPE), .name = "WRITE FILEMARKS(16)"},
    {.opcode = 0x81, IN, READS, SLOW, ON(TAPE), .name = "READ REVERSE(16)"},
    {.opcode = 0x82, WRITES, ON(TAPE), .name = "ALLOW OVERWRITE"},
    {.opcode = 0x88, IN, READS, SLOW, ON(TAPE), .name = "READ(16)"},
    {.opcode = 0x8a, OUT, WRITES, SLOW, ON(TAPE), .name = "WRITE(16)"},
    {.opcode = 0x8f, ANY, READS, LONG, ON(TAPE), .name = "VERIFY(16)"},
    {.opcode = 0x91, WRITES, LONG, ON(TAPE), ALSO(PT_KEEPS), .name = "SPACE(16)"},
    {.opcode = 0x92, WRITES, LONG, ON(TAPE), ALSO(PT_KEEPS), .name = "LOCATE(16)"},
    {.opcode = 0x93, WRITES, LONG, ON(TAPE), .name = "ERASE(16)"},

    /* SMC-3 */
    {.opcode = 0x07, WRITES, LONG, ON(CHANGER), .name = "INITIALIZE ELEMENT STATUS"},
    {.opcode = 0x2b, WRITES, SLOW, ON(CHANGER), .name = "POSITION TO ELEMENT"},
    {.opcode = 0x37, WRITES, LONG, ON(CHANGER), .name = "INITIALIZE ELEMENT STATUS WITH RANGE"},
    {.opcode = 0xa5, WRITES, SLOW, ON(CHANGER), .name = "MOVE MEDIUM"},
    {.opcode = 0xa6, WRITES, SLOW, ON(CHANGER), .name = "EXCHANGE MEDIUM"},
    {.opcode = 0xb8, IN, READS, SLOW, ON(CHANGER), .name = "READ ELEMENT STATUS"},

    /* MMC-6; 6.5 and 6.6: these two report no unit attention */
    {.opcode = 0x46, IN, ON(CD), ALSO(PT_SKIP_UA | PT_AGAIN), .name = "GET CONFIGURATION"},
    {.opcode = 0x4a, IN, ON(CD), ALSO(PT_SKIP_UA), .name = "GET EVENT STATUS NOTIFICATION"},
    {.opcode = 0x23, IN, ON(CD), ALSO(PT_AGAIN), .name = "READ FORMAT CAPACITIES"},
    {.opcode = 0x35, WRITES, LONG, ON(CD), ALSO(PT_KEEPS), .name = "SYNCHRONIZE CACHE(10)"},
    {.opcode = 0x42, IN, READS, ON(CD), .name = "READ SUB-CHANNEL"},
    {.opcode = 0x43, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ TOC/PMA/ATIP"},
    {.opcode = 0x51, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ DISC INFORMATION"},
    {.opcode = 0x52, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ TRACK INFORMATION"},
    {.opcode = 0x53, WRITES, SLOW, ON(CD), .name = "RESERVE TRACK"},
    {.opcode = 0x54, ANY, WRITES, SLOW, ON(CD), .name = "SEND OPC INFORMATION"},
    {.opcode = 0x58, WRITES, SLOW, ON(CD), .name = "REPAIR TRACK"},
    {.opcode = 0x5b, WRITES, LONG, ON(CD), .name = "CLOSE TRACK SESSION"},
    {.opcode = 0x5c, IN, READS, ON(CD), .name = "READ BUFFER CAPACITY"},
    {.opcode = 0xa1, WRITES, LONG, ON(CD), .name = "BLANK"},
    {.opcode = 0xa6, WRITES, SLOW, ON(CD), ALSO(PT_KEEPS), .name = "LOAD/UNLOAD MEDIUM"},
    {.opcode = 0xac, IN, READS, ON(CD), .name = "GET PERFORMANCE"},
    {.opcode = 0xad, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ DISC STRUCTURE"},
    {.opcode = 0xb9, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ CD MSF"},
    {.opcode = 0xbd, IN, ON(CD), ALSO(PT_AGAIN), .name = "MECHANISM STATUS"},
    {.opcode = 0xbe, IN, READS, ON(CD), ALSO(PT_AGAIN), .name = "READ CD"},
};

/* ---- command sets from it ---- */

#define NR_ROUTES ARRAY_SIZE(routes)
#define ROWS_MAX (NR_ROUTES + 16) /* one route covers several rows of PERSISTENT RESERVE */

#define ALL4 0xff, 0xff, 0xff, 0xff
#define ALL16 ALL4, ALL4, ALL4, ALL4

/* Those of the core that a route may lead to. */
static const struct opcode_row *const core_tables[] = {spc_rows, alua_rows, rsoc_rows, reserve_rows,
						       pr_rows};

static struct set {
	struct opcode_row rows[ROWS_MAX + 1];
	const struct opcode_row *tables[2];
	struct command_set commands;
} sets[PT_GROUPS][2];
static struct opcode_row variants[NR_ROUTES][2];

static bool refuse(struct scsi_task *t)
{
	/* SPC-5 4.4.2.4.2, 6.34.3: a service action that isn't there is a field of the CDB */
	if (t->row->route->has_action)
		task_invalid_cdb(t, 1, 4);
	else
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	return false;
}

static uint16_t row_flags(const struct pt_route *r)
{
	uint16_t flags = 0;

	if (r->flags & PT_SKIP_UA)
		flags |= ROW_SKIP_UA;
	if (r->flags & PT_OFFLINE)
		flags |= ROW_OFFLINE;
	if (r->flags & PT_STANDBY)
		flags |= ROW_STANDBY;
	if (r->flags & PT_UNAVAILABLE)
		flags |= ROW_UNAVAILABLE;
	if (r->flags & PT_ACCESS)
		flags |= ROW_ANY_ACCESS;
	if (r->pr == PR_WRITE && !(r->flags & PT_KEEPS) && r->where != PT_REFUSED)
		flags |= ROW_MEDIUM | ROW_WRITES;
	if (r->time != PT_NORMAL)
		flags |= ROW_LONG;
	return flags;
}

static struct opcode_row device_row(const struct pt_route *r)
{
	static const uint8_t lengths[8] = {6, 10, 10, 16, 16, 12, 12, 12};
	static const uint8_t directions[] = {
	    [PT_NO_DATA] = DATA_NONE,
	    [PT_DATA_IN] = DATA_IN,
	    [PT_DATA_OUT] = DATA_OUT,
	    [PT_DATA_ANY] = DATA_NONE,
	};

	return (struct opcode_row){
	    .opcode = r->opcode,
	    .service_action = r->has_action ? (int16_t)r->service_action : NO_SERVICE_ACTION,
	    .cdb_len = lengths[r->opcode >> 5],
	    .direction = directions[r->direction],
	    .pr = r->pr,
	    .flags = row_flags(r),
	    .usage = {ALL16, ALL16},
	    .prepare = r->where == PT_REFUSED        ? refuse
		       : r->direction == PT_DATA_ANY ? passthrough_prepare_any
						     : passthrough_prepare,
	    .run = r->run ? r->run : passthrough_run,
	    .name = r->name,
	    .clause = "SAM-5 4.2",
	    .route = r,
	};
}

static bool matches(const struct pt_route *r, const struct opcode_row *row)
{
	return row->opcode == r->opcode &&
	       (!r->has_action || row->service_action == r->service_action);
}

static unsigned add_core_rows(struct opcode_row *at, const struct pt_route *r)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(core_tables); i++) {
		for (const struct opcode_row *row = core_tables[i]; row->run; row++) {
			if (!matches(r, row))
				continue;
			at[count] = *row;
			at[count++].route = r;
		}
	}
	return count;
}

static void build(struct set *set, unsigned group, bool device_keeps_reservations)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NR_ROUTES; i++) {
		const struct pt_route *r = &routes[i];
		bool core = r->where == PT_TO_CORE ||
			    (r->where == PT_TO_RESERVATIONS && !device_keeps_reservations);

		if (r->groups && !(r->groups & 1u << group))
			continue;
		if (core)
			count += add_core_rows(set->rows + count, r);
		else
			set->rows[count++] = device_row(r);
	}
	set->tables[0] = set->rows;
	set->commands = (struct command_set){
	    .device_type = 0x1f,
	    .name = "passthrough",
	    .tables = set->tables,
	    .fallback = &passthrough_any_row,
	};
}

void passthrough_init(void)
{
	if (sets[0][0].commands.tables)
		return;
	for (unsigned group = 0; group < PT_GROUPS; group++) {
		for (unsigned keeps = 0; keeps < 2; keeps++) {
			build(&sets[group][keeps], group, keeps);
			opcode_register(&sets[group][keeps].commands);
		}
	}
	for (unsigned i = 0; i < NR_ROUTES; i++) {
		variants[i][0] = variants[i][1] = device_row(&routes[i]);
		variants[i][0].direction = DATA_IN;
		variants[i][1].direction = DATA_OUT;
	}
}

const struct opcode_row *passthrough_variant(const struct opcode_row *row, uint8_t direction)
{
	return direction == DATA_NONE ? row : &variants[row->route - routes][direction == DATA_OUT];
}

bool passthrough_is_cores(const struct lu *lu, uint8_t opcode)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows_of(lu->commands, opcode, &count);

	return count && rows[0]->route->where == PT_TO_RESERVATIONS &&
	       rows[0]->run != passthrough_run;
}

enum pt_group passthrough_group(uint8_t device_type)
{
	switch (device_type) {
	case 0x00: /* direct access */
	case 0x04: /* write once */
	case 0x07: /* optical memory */
	case 0x0e: /* simplified direct access */
	case 0x14: /* host managed zones */
		return PT_DISK;
	case 0x01:
		return PT_TAPE;
	case 0x05:
		return PT_CD;
	case 0x08:
		return PT_CHANGER;
	default:
		return PT_OTHER;
	}
}

const struct command_set *passthrough_set(uint8_t device_type, bool device_keeps_reservations)
{
	return &sets[passthrough_group(device_type)][device_keeps_reservations].commands;
}

const struct pt_route *passthrough_route(const struct lu *lu, uint8_t opcode, int service_action)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows_of(lu->commands, opcode, &count);

	for (unsigned i = 0; i < count; i++)
		if (rows[i]->service_action == NO_SERVICE_ACTION ||
		    rows[i]->service_action == service_action)
			return rows[i]->route;
	return NULL;
}
