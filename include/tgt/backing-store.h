/* SPDX-License-Identifier: MIT */
/*
 * The contract between tgtd and a backing store.
 *
 * A backing store is a shared object in the daemon's backing-store directory.  It exports one
 * symbol, tgt_bs_module(), which TGT_BS_MODULE() below defines, and carries an ELF note that states
 * the version of this contract it was built for; the daemon reads the note before it maps the file.
 *
 * Versions: a module of another major version is rejected; one of an older minor version loads,
 * since fields are only ever appended to a structure and each structure starts with its size.
 * Whoever receives a structure reads no field that lies beyond the sender's struct_size.
 *
 * Units are bytes unless a comment says otherwise.  Functions that can fail return 0 or a negative
 * errno value.  The header compiles alone, as C90 with <stdint.h> and as C++.
 */
#ifndef TGT_BACKING_STORE_H
#define TGT_BACKING_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TGT_BS_ABI_MAJOR 0
#define TGT_BS_ABI_MINOR 6

struct tgt_bs_lu;      /* the host's: the logical unit that a store serves */
struct tgt_bs_reactor; /* the host's: one event loop thread */
struct tgt_bs_watch;   /* the host's: a watched file descriptor */
struct tgt_bs_timer;   /* the host's: a timer */

/* What a store is to the SCSI layer. */
enum tgt_bs_kind {
	TGT_BS_BLOCK = 1,      /* random access bytes; all of SBC is the host's */
	TGT_BS_TAPE = 2,       /* records and filemarks; all of SSC is the host's */
	TGT_BS_PASSTHROUGH = 3 /* takes CDBs, gives status and sense */
};

/*
 * TGT_BS_REACTOR: submit() is called on a reactor thread and must not block.  It may return
 * TGT_BS_WOULD_BLOCK; the host then calls it again on a worker thread with TGT_BS_REQ_MAY_BLOCK set
 * and a NULL channel.
 * TGT_BS_WORKER: submit() is only ever called on worker threads (TGT_BS_REQ_MAY_BLOCK set, NULL
 * channel) and may block.  Several workers may call it at once for one store.
 */
enum tgt_bs_thread_model { TGT_BS_REACTOR = 1, TGT_BS_WORKER = 2 };

/* Capability flags.  An operation without its flag is never submitted. */
#define TGT_BS_CAN_WRITE (1u << 0)
#define TGT_BS_CAN_FLUSH (1u << 1)        /* FLUSH puts completed writes on stable storage */
#define TGT_BS_CAN_FUA (1u << 2)          /* honours TGT_BS_REQ_FUA */
#define TGT_BS_CAN_DISCARD (1u << 3)      /* DISCARD deallocates; the range then reads as zeroes */
#define TGT_BS_CAN_WRITE_ZEROES (1u << 4) /* faster than writing them */
#define TGT_BS_CAN_BLOCK_STATUS (1u << 5) /* tells mapped from deallocated ranges */
#define TGT_BS_CAN_COMPARE_AND_WRITE (1u << 6) /* atomically, also against other hosts */
#define TGT_BS_CAN_WRITE_SAME (1u << 7)        /* one pattern over a range */
#define TGT_BS_CAN_PARTITIONS (1u << 8)        /* tape: more than one partition */
#define TGT_BS_CAN_RESET (1u << 9)             /* passthrough: RESET reaches the device */
#define TGT_BS_NEEDS_PATH (1u << 10)  /* open() needs a path; the host refuses a LUN without one */
#define TGT_BS_FLAG_SYNC (1u << 11)   /* accepts TGT_BS_OPEN_SYNC (bsoflags sync) */
#define TGT_BS_FLAG_DIRECT (1u << 12) /* accepts TGT_BS_OPEN_DIRECT (bsoflags direct) */
/* tape, since 0.4 */
#define TGT_BS_CAN_REVERSE (1u << 13)      /* honours TGT_BS_REQ_REVERSE */
#define TGT_BS_CAN_LOCATE_FILE (1u << 14)  /* LOCATE by filemarks, and to the end of data */
#define TGT_BS_CAN_COMPRESS (1u << 15)     /* honours TGT_BS_CODEC_COMPRESS */
#define TGT_BS_CAN_ENCRYPT (1u << 16)      /* the other TGT_BS_CODEC_* flags; has TAPE_NEXT */
#define TGT_BS_CAN_SET_CAPACITY (1u << 17) /* has TAPE_SET_CAPACITY */
#define TGT_BS_CAN_APPEND_ONLY (1u << 18)  /* honours TGT_BS_REQ_APPEND */

/* What a request asks for. */
enum tgt_bs_op {
	/*
	 * block: offset and length select bytes of the medium; iov holds exactly length bytes for
	 * READ and WRITE, 2 x length for COMPARE_AND_WRITE (first what to compare, then what to
	 * write), one pattern (length is a multiple of it) for WRITE_SAME, nothing for the others
	 */
	TGT_BS_READ = 1,
	TGT_BS_WRITE = 2,
	TGT_BS_FLUSH = 3,   /* everything completed before it becomes durable; offset, length 0 */
	TGT_BS_DISCARD = 4, /* deallocate what can be; the range then reads as zeroes */
	TGT_BS_WRITE_ZEROES = 5, /* TGT_BS_REQ_UNMAP: it may deallocate; else it stays allocated */
	TGT_BS_BLOCK_STATUS = 6, /* fills extents[] from offset on: 1 to max_extents of them */
	TGT_BS_COMPARE_AND_WRITE = 7,
	TGT_BS_WRITE_SAME = 8,

	/* tape; positions are logical object identifiers counted from 0 within a partition */
	TGT_BS_TAPE_READ = 32,  /* record_size 0: one record of up to length bytes, actual is the
				 * record's true length (it may exceed length).  Else up to
				 * length / record_size records of that size, back to back in iov,
				 * ending before the first that differs (status RECORD_LENGTH, info
				 * its true length; it has been passed over); actual is bytes read.
				 * A filemark met is passed over (FILEMARK) */
	TGT_BS_TAPE_WRITE = 33, /* record_size 0: one record of length bytes; else length /
				 * record_size records.  What followed on the tape is gone */
	TGT_BS_TAPE_WRITE_FILEMARKS = 34, /* count of them; durable without REQ_IMMED */
	TGT_BS_TAPE_SPACE = 35,    /* space_code, count signed; residue: what was not spaced over */
	TGT_BS_TAPE_LOCATE = 36,   /* to object offset in partition; space_code FILEMARKS: behind
				    * the filemark offset (0: the partition's beginning);
				    * END_OF_DATA: there */
	TGT_BS_TAPE_REWIND = 37,   /* durable, then to object 0 of partition 0 or the current one */
	TGT_BS_TAPE_POSITION = 38, /* only fills the position fields */
	TGT_BS_TAPE_ERASE = 39,    /* from here; TGT_BS_REQ_LONG: to the end of the partition */
	TGT_BS_TAPE_LOAD = 40,
	TGT_BS_TAPE_UNLOAD = 41, /* durable, then out */
	TGT_BS_TAPE_FORMAT = 42, /* count partitions, of sizes[] bytes, or of equal size */
	/* since 0.4 */
	TGT_BS_TAPE_NEXT = 43,         /* fills *record with what stands behind the position */
	TGT_BS_TAPE_SET_CAPACITY = 44, /* empties the medium, which then has offset bytes, at most
					* what it was made with */

	/* passthrough */
	TGT_BS_CDB = 64,  /* cdb, cdb_len, data direction by flags, iov and length, timeout_ms */
	TGT_BS_RESET = 65 /* logical unit reset of the device */
};

enum tgt_bs_space_code {
	TGT_BS_SPACE_RECORDS = 0,
	TGT_BS_SPACE_FILEMARKS = 1,
	TGT_BS_SPACE_SEQUENTIAL_FILEMARKS = 2,
	TGT_BS_SPACE_END_OF_DATA = 3
};

/* Request flags. */
#define TGT_BS_REQ_MAY_BLOCK (1u << 0) /* this call runs on a worker */
#define TGT_BS_REQ_FUA (1u << 1)       /* complete only when the data are on stable storage */
#define TGT_BS_REQ_UNMAP (1u << 2)     /* WRITE_ZEROES may deallocate */
#define TGT_BS_REQ_IMMED (1u << 3)     /* tape: need not be durable at completion */
#define TGT_BS_REQ_LONG (1u << 4)      /* tape ERASE: the rest of the partition */
#define TGT_BS_REQ_DATA_IN (1u << 5)   /* CDB: the device sends data into iov */
#define TGT_BS_REQ_DATA_OUT (1u << 6)  /* CDB: the device receives data from iov */
/* tape, since 0.4 */
/* READ: the record before the position, and to its beginning; of several the one that is met first
 * comes first in iov */
#define TGT_BS_REQ_REVERSE (1u << 7)
#define TGT_BS_REQ_APPEND (1u << 8) /* WRITE, WRITE_FILEMARKS, ERASE: at the end of data only */

/* How a request ended.  Only the host turns this into SCSI status and sense. */
enum tgt_bs_status {
	TGT_BS_OK = 0,
	TGT_BS_ERR_MISCOMPARE = 1, /* info: byte offset, from the start of the compare buffer */
	TGT_BS_ERR_NO_SPACE = 2,   /* the store is full; nothing is promised about the range */
	TGT_BS_ERR_READ = 3,       /* medium error; info: byte offset of the first bad byte */
	TGT_BS_ERR_WRITE = 4,      /* the same, for writing */
	TGT_BS_ERR_FLUSH = 5,    /* what was written before may be lost: the LU's error is sticky */
	TGT_BS_ERR_HARDWARE = 6, /* the store is broken, not one place on it */
	TGT_BS_ERR_NOT_READY = 7, /* the store can't serve now; it may again later */
	TGT_BS_ERR_NO_MEDIUM = 8,
	TGT_BS_ERR_WRITE_PROTECTED = 9,
	TGT_BS_ERR_TIMED_OUT = 10,
	TGT_BS_ERR_CANCELLED = 11, /* cancel() reached it before it had any effect */
	TGT_BS_ERR_NOT_SUPPORTED = 12,
	TGT_BS_ERR_INVALID = 13,      /* the request makes no sense to this store */
	TGT_BS_ERR_OUT_OF_RANGE = 14, /* beyond the end; info: byte offset of the first such byte */
	TGT_BS_ERR_BUSY = 15,         /* try again */
	TGT_BS_ERR_FENCED = 16,       /* another host took the store over */
	TGT_BS_ERR_TRANSPORT = 17,    /* the device didn't answer; it may or may not have acted */
	TGT_BS_ERR_SCSI = 18,         /* CDB: see scsi_status and sense */
	TGT_BS_ERR_RESET = 19,        /* CDB: a reset of the device or its bus ended it */
	TGT_BS_ERR_TOO_LONG = 20,     /* CDB: more bytes than the device takes in one command */

	TGT_BS_ERR_FILEMARK = 32, /* tape: met a filemark; residue tells how much is left */
	TGT_BS_ERR_END_OF_DATA = 33,
	TGT_BS_ERR_EARLY_WARNING = 34, /* written; the end of the partition is near */
	TGT_BS_ERR_END_OF_MEDIUM = 35, /* not written: the partition is full */
	TGT_BS_ERR_BEGINNING = 36,     /* beginning of the partition met while spacing backwards */
	TGT_BS_ERR_RECORD_LENGTH = 37, /* fixed-size READ met a record of another size (info) */
	/* since 0.4; the tape still stands before the record */
	TGT_BS_ERR_ENCRYPTED = 38,     /* the record is encrypted, and the codec doesn't decrypt */
	TGT_BS_ERR_WRONG_KEY = 39,     /* the record was encrypted with another key */
	TGT_BS_ERR_NOT_ENCRYPTED = 40, /* the codec wants encrypted records only */
	TGT_BS_ERR_INTEGRITY = 41, /* decrypted with its key, the record isn't what was written */
	TGT_BS_ERR_OVERWRITE = 42  /* write-once medium, or REQ_APPEND: not at the end of data */
};

#define TGT_BS_WOULD_BLOCK 1 /* returned by submit(): call again on a worker */

/* BLOCK_STATUS: one run of equal status. */
struct tgt_bs_extent {
	uint64_t offset;
	uint64_t length;
	uint32_t flags;
	uint32_t reserved;
};
#define TGT_BS_EXTENT_MAPPED (1u << 0) /* else deallocated, and reads as zeroes */

/*
 * How the records of a READ or WRITE are kept on a tape, since 0.4.  It is the host's until the
 * request completes; a module keeps no copy of the key.
 */
#define TGT_BS_KEY_SIZE 32 /* AES-256-GCM */
#define TGT_BS_KAD_MAX 64
struct tgt_bs_codec {
	uint32_t struct_size;
	uint32_t flags; /* TGT_BS_CODEC_* */
	uint8_t key[TGT_BS_KEY_SIZE];
	/* key-associated data, kept with each record that is encrypted: the first is neither
	 * authenticated nor secret, the second is authenticated */
	uint32_t ukad_len, akad_len;
	uint8_t ukad[TGT_BS_KAD_MAX], akad[TGT_BS_KAD_MAX];
};
#define TGT_BS_CODEC_COMPRESS (1u << 0) /* WRITE: what becomes smaller by it */
#define TGT_BS_CODEC_ENCRYPT (1u << 1)  /* WRITE: with key */
#define TGT_BS_CODEC_DECRYPT (1u << 2)  /* READ: with key */
#define TGT_BS_CODEC_MIXED (1u << 3)    /* READ: with DECRYPT also records that aren't encrypted */

/* What an object on a tape is, since 0.4. */
struct tgt_bs_tape_record {
	uint32_t struct_size;
	uint32_t flags;  /* TGT_BS_RECORD_* */
	uint64_t length; /* bytes, as they were written */
	uint64_t stored; /* bytes that it takes on the medium */
	uint32_t ukad_len, akad_len;
	uint8_t ukad[TGT_BS_KAD_MAX], akad[TGT_BS_KAD_MAX];
};
#define TGT_BS_RECORD_FILEMARK (1u << 0)
#define TGT_BS_RECORD_END_OF_DATA (1u << 1) /* there is none */
#define TGT_BS_RECORD_COMPRESSED (1u << 2)
#define TGT_BS_RECORD_ENCRYPTED (1u << 3)
#define TGT_BS_RECORD_KEY_FITS (1u << 4) /* the key of the request's codec is its key */

/*
 * A request.  The host fills it and owns it, its buffers and module_data until it completes; the
 * module writes the fields under "results" and calls complete() exactly once.
 */
struct tgt_bs_request {
	uint32_t struct_size;
	uint16_t op;    /* enum tgt_bs_op */
	uint16_t flags; /* TGT_BS_REQ_* */
	uint64_t offset;
	uint64_t length;
	const struct iovec *iov; /* valid until completion, aligned as the geometry asks */
	uint32_t iovcnt;
	/* results */
	uint32_t status; /* enum tgt_bs_status; the host sets TGT_BS_OK before submit() */
	uint64_t actual; /* READ, WRITE, TAPE_*, CDB: bytes moved (block: set only when short) */
	uint64_t info;   /* by status, see there */
	/* the module's own request_size bytes, aligned to 16, not initialised */
	void *module_data;

	/* BLOCK_STATUS */
	struct tgt_bs_extent *extents;
	uint32_t max_extents;
	uint32_t nr_extents; /* result */

	/* tape */
	int64_t count;        /* WRITE_FILEMARKS, SPACE, FORMAT */
	int64_t residue;      /* result: filemarks, records not written or spaced over */
	uint32_t record_size; /* READ, WRITE: 0 for one record of variable size */
	uint32_t space_code;  /* enum tgt_bs_space_code */
	uint32_t partition;   /* LOCATE; result of every tape operation: the current one */
	uint32_t pos_flags;   /* result of every tape operation: TGT_BS_POS_* */
	uint64_t pos_object;  /* result of every tape operation: logical object identifier */
	uint64_t pos_file;    /* result of every tape operation: filemarks before here */

	/* passthrough */
	const uint8_t *cdb;
	uint32_t cdb_len;
	uint32_t timeout_ms;
	uint8_t *sense; /* room for sense_size bytes */
	uint32_t sense_size;
	uint32_t sense_len;   /* result */
	uint32_t scsi_status; /* result: SAM status byte */
	uint32_t reserved;

	/* tape, since 0.4 */
	const struct tgt_bs_codec *codec;  /* READ, WRITE, NEXT; NULL: one without flags */
	const uint64_t *sizes;             /* FORMAT: count of them; NULL: equal */
	struct tgt_bs_tape_record *record; /* NEXT: filled in */
	uint64_t stored;     /* result of READ, WRITE: bytes that the records take on the medium */
	uint64_t pos_remain; /* result of every tape operation: bytes to the partition's end */
};
#define TGT_BS_POS_BOP (1u << 0)           /* at the beginning of the partition */
#define TGT_BS_POS_EOD (1u << 1)           /* at the end of data */
#define TGT_BS_POS_EARLY_WARNING (1u << 2) /* between early warning and the end */
#define TGT_BS_POS_UNKNOWN (1u << 3)

/* Typed options ("bsopts"), parsed and checked by the host. */
enum tgt_bs_option_type {
	TGT_BS_OPT_STRING = 1,
	TGT_BS_OPT_BOOL = 2, /* 0 1 yes no on off true false */
	TGT_BS_OPT_UINT = 3, /* with an optional suffix k M G T (powers of 1024) */
	TGT_BS_OPT_FILE = 4  /* a path; a STRING to the module */
};

struct tgt_bs_option {
	uint32_t struct_size;
	uint32_t type; /* enum tgt_bs_option_type */
	const char *name;
	const char *default_value; /* as a user would write it; NULL: none */
	const char *help;          /* one line, no full stop */
	uint64_t min, max;         /* UINT; max 0: no limit */
};

struct tgt_bs_value {
	uint32_t is_set;  /* 0: neither given nor defaulted */
	uint32_t boolean; /* BOOL */
	uint64_t number;  /* UINT */
	const char *text; /* STRING, FILE; valid until close() */
};

/* What open() gets; valid during the call; lu, path and the texts of values until close(). */
struct tgt_bs_open_args {
	uint32_t struct_size;
	uint32_t flags; /* TGT_BS_OPEN_* */
	struct tgt_bs_lu *lu;
	const char *path;                  /* NULL: none was given */
	const struct tgt_bs_value *values; /* one for each row of its options, in order */
	uint64_t size;                     /* size the operator asked for; 0: the store's own */
	uint32_t block_size;               /* logical block length the LUN will have */
	uint32_t reserved;
};
#define TGT_BS_OPEN_READONLY (1u << 0)
#define TGT_BS_OPEN_SYNC (1u << 1)   /* every write is durable when it completes */
#define TGT_BS_OPEN_DIRECT (1u << 2) /* bypass the page cache */

struct tgt_bs_geometry {
	uint32_t struct_size;
	uint32_t flags;               /* TGT_BS_GEO_* */
	uint64_t size;                /* bytes of the medium */
	uint32_t physical_block_size; /* 0: unknown */
	uint32_t memory_alignment;    /* of iov_base; a power of two, at most 4096; 0 means 1 */
	uint32_t io_alignment; /* of offset, length and each iov_len; a power of two; 0 means 1 */
	uint32_t optimal_io_size;     /* 0: no preference */
	uint64_t max_transfer;        /* per request; 0: no limit */
	uint32_t discard_granularity; /* 0: unknown */
	uint32_t reserved;
	/* passthrough, since 0.2: how long a device may take; 0: as the host thinks */
	uint32_t timeout_ms;      /* commands that it answers at once, or nearly */
	uint32_t long_timeout_ms; /* those that go over the whole medium */
	/* block, since 0.5: a COMPARE_AND_WRITE has to lie within so many bytes (a power of two),
	 * counted from the medium's start; 0: anywhere */
	uint32_t compare_and_write_unit;
	uint32_t reserved2;
};
#define TGT_BS_GEO_READONLY (1u << 0)
#define TGT_BS_GEO_ROTATIONAL (1u << 1)
#define TGT_BS_GEO_VOLATILE_CACHE (1u << 2) /* a completed write needs FLUSH to be durable */
#define TGT_BS_GEO_NO_MEDIUM (1u << 3)      /* open, but empty (tape, removable) */
#define TGT_BS_GEO_DISCARD (1u << 4)        /* this file or device really can DISCARD */
#define TGT_BS_GEO_RESERVATIONS (1u << 5)   /* passthrough, since 0.2: the device keeps them */
/* block, since 0.5: other hosts may write to the medium at the same time.  What has to be done in
 * one piece is done by the store's operations, or isn't offered. */
#define TGT_BS_GEO_SHARED (1u << 6)

/* Log levels of log(), as syslog's. */
#define TGT_BS_LOG_ERR 3
#define TGT_BS_LOG_WARNING 4
#define TGT_BS_LOG_INFO 6
#define TGT_BS_LOG_DEBUG 7

/* What a module may call.  Any thread, unless said otherwise. */
struct tgt_bs_host {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor;

	/* The request has ended; its result fields are set.  Also from within submit(). */
	void (*complete)(struct tgt_bs_request *request);

	/* One line for the operator: say what, which and why.  lu may be NULL. */
	void (*log)(struct tgt_bs_lu *lu, int level, const char *format, ...)
	    __attribute__((format(printf, 3, 4)));

	/* Calls fn(arg, epoll events) on the reactor while fd is ready for events (EPOLLIN,
	 * EPOLLOUT). On the reactor's thread (channel_open(), submit(), callbacks); unwatch
	 * likewise. */
	int (*fd_watch)(struct tgt_bs_reactor *reactor, int fd, uint32_t events,
			void (*fn)(void *arg, uint32_t events), void *arg,
			struct tgt_bs_watch **watch);
	void (*fd_unwatch)(struct tgt_bs_watch *watch);

	/* Calls fn(arg) once after delay_ms.  On the reactor's thread; del also after it fired. */
	int (*timer_add)(struct tgt_bs_reactor *reactor, uint32_t delay_ms, void (*fn)(void *arg),
			 void *arg, struct tgt_bs_timer **timer);
	void (*timer_del)(struct tgt_bs_timer *timer);

	/* The medium's size is now this many bytes. */
	void (*size_changed)(struct tgt_bs_lu *lu, uint64_t size);
	/* A medium came (1) or went (0). */
	void (*medium_changed)(struct tgt_bs_lu *lu, int present);
	/* The store can (1) or can't (0) be reached. */
	void (*online_changed)(struct tgt_bs_lu *lu, int online);

	/* Since 0.6, see TGT_BS_HOST_HAS().  The memory that this reactor takes for the data of
	 * commands, for a store that makes it known to the kernel or to a device once and for all:
	 * returns how many regions there are, and fills up to max of regions[] from number from on.
	 * A region and its number stay until the reactor's channels are closed; more may come at
	 * any time.  iov may also point elsewhere, and no piece of it reaches beyond its region.
	 * On the reactor's thread. */
	uint32_t (*lasting_memory)(struct tgt_bs_reactor *reactor, uint32_t from,
				   struct iovec *regions, uint32_t max);
};

/* Whether a function of a later minor version is there: a module may meet an older daemon. */
#define TGT_BS_HOST_HAS(host, function)                                                            \
	((host)->struct_size >= offsetof(struct tgt_bs_host, function) + sizeof((host)->function))

/* Small durable blobs that live with the medium (optional).  Of a tape it is the cartridge's memory
 * (since 0.4): what the host keeps for the drive stays in its files. */
struct tgt_bs_state_ops {
	uint32_t struct_size;
	uint32_t reserved;
	/* Worker thread, may block.  get: *len is the room, then the length; -ENOENT when there is
	 * none; *version identifies the value.  cas: replaces the value if its version still is
	 * expected (0: if there is none), durably, else -ESTALE; *version becomes the new one. */
	int (*get)(void *store, const char *key, void *buf, size_t *len, uint64_t *version);
	int (*cas)(void *store, const char *key, const void *buf, size_t len, uint64_t expected,
		   uint64_t *version);
	/* A medium that several hosts have at the same time, since 0.5; NULL: no other host changes
	 * a value.  watch: makes this host one of them until the store is closed, and is called
	 * once.  Returns how many others there are, -EOPNOTSUPP where there never are, or another
	 * -errno; may block.  fn(arg, key, version, notice) is called, on any thread and not after
	 * close(), after another host changed the value to that version, or with NULL for the key
	 * where it may not have heard of changes and has to look at all values: the host calls
	 * taken(store, notice) once all that it does accords with them, also from within fn.  cas()
	 * returns 0 only after all others have done so, or can't reach the medium any more.
	 * is_current: 0 where that may have come over this host without its knowledge.  Any thread;
	 * doesn't block. */
	int (*watch)(void *store,
		     void (*fn)(void *arg, const char *key, uint64_t version, uint64_t notice),
		     void *arg);
	void (*taken)(void *store, uint64_t notice);
	int (*is_current)(void *store);
};

/* Space, since 0.3. */
struct tgt_bs_usage {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t used;      /* bytes that are allocated for what the medium holds */
	uint64_t available; /* bytes that could be allocated now, for it or for others */
};

/* A tape, since 0.4. */
enum tgt_bs_medium { TGT_BS_MEDIUM_DATA = 0, TGT_BS_MEDIUM_WORM = 1, TGT_BS_MEDIUM_CLEANING = 2 };
#define TGT_BS_PARTITIONS_MAX 4
#define TGT_BS_BARCODE_MAX 33 /* with its NUL */
struct tgt_bs_tape_info {
	uint32_t struct_size;
	uint16_t medium;        /* enum tgt_bs_medium */
	uint16_t density;       /* density code of the cartridge (SSC-5); 0: none was given */
	uint32_t nr_partitions; /* now */
	uint32_t max_partitions;
	uint64_t size[TGT_BS_PARTITIONS_MAX]; /* of each partition, bytes on the medium */
	uint64_t used[TGT_BS_PARTITIONS_MAX];
	uint64_t full_size; /* of the medium, as it was made: SET_CAPACITY may have reduced it */
	uint32_t reserved;
	char barcode[TGT_BS_BARCODE_MAX];
	char padding[3];
};

/* The descriptor. */
struct tgt_bs_module {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor;
	const char *name;      /* as in --bstype; letters, digits, '-', '_'; at most 31 */
	const char *version;   /* the module's own */
	const char *help;      /* one line */
	uint32_t kind;         /* enum tgt_bs_kind */
	uint32_t capabilities; /* TGT_BS_CAN_* and others above */
	uint32_t thread_model; /* enum tgt_bs_thread_model */
	uint32_t request_size; /* bytes of module_data in each request; at most 4096 */
	const struct tgt_bs_option *options; /* nr_options rows of options->struct_size each */
	uint32_t nr_options;
	uint32_t reserved;

	/* Worker thread, may block.  On failure a message of at most error_size bytes (with its
	 * NUL) says why, and nothing is kept open. */
	int (*open)(const struct tgt_bs_open_args *args, void **store, char *error,
		    size_t error_size);
	/* Worker thread, may block; every channel is closed and no request is outstanding. */
	void (*close)(void *store);
	/* Any thread, must not block for long; also after open() for a changed size. */
	int (*geometry)(void *store, struct tgt_bs_geometry *geometry);

	/* REACTOR: on that reactor's thread, once for each reactor before its first submit().  May
	 * be NULL; submit() then gets a NULL channel. */
	int (*channel_open)(void *store, struct tgt_bs_reactor *reactor, void **channel);
	void (*channel_close)(void *store, void *channel);

	/* 0: complete() is or will be called exactly once.  -errno: it never will, and the host
	 * ends the request as TGT_BS_ERR_HARDWARE (-EAGAIN: as BUSY).  TGT_BS_WOULD_BLOCK: see the
	 * thread model. */
	int (*submit)(void *store, void *channel, struct tgt_bs_request *request);
	/* REACTOR: after a loop turn in which submit() returned 0 on the channel: submit the batch.
	 * May be NULL. */
	void (*turn_end)(void *store, void *channel);
	/* A wish, on the thread that submitted: the request still completes, with CANCELLED or
	 * otherwise. May be NULL. */
	void (*cancel)(void *store, void *channel, struct tgt_bs_request *request);

	const struct tgt_bs_state_ops *state; /* NULL: the host keeps the blobs in files */

	/* block, since 0.3; worker thread, may block.  NULL: what is allocated isn't known. */
	int (*usage)(void *store, struct tgt_bs_usage *usage);

	/* tape, since 0.4; any thread, must not block for long.  -ENOMEDIUM: it is out.  NULL: one
	 * partition, of geometry's size. */
	int (*tape_info)(void *store, struct tgt_bs_tape_info *info);
};

/* The ELF note that the daemon reads before it maps a module. */
#define TGT_BS_NOTE_MAGIC 0x74677462u /* "tgtb" */
#define TGT_BS_NOTE_TYPE 1
struct tgt_bs_note {
	uint32_t namesz, descsz, type;
	char name[4]; /* "tgt" */
	uint32_t magic;
	uint16_t abi_major, abi_minor;
	uint32_t module_size; /* sizeof(struct tgt_bs_module) when it was built */
};

typedef const struct tgt_bs_module *(*tgt_bs_module_fn)(const struct tgt_bs_host *host);
#define TGT_BS_ENTRY "tgt_bs_module"

#ifdef __cplusplus
#define TGT_BS_EXTERN extern "C"
#else
#define TGT_BS_EXTERN
#endif

/*
 * TGT_BS_MODULE(descriptor, host_pointer): defines the note and the entry point.  descriptor is a
 * struct tgt_bs_module, host_pointer a const struct tgt_bs_host * that is set before the daemon
 * calls anything else.
 */
/* clang-format off */
#define TGT_BS_MODULE(descriptor, host_pointer)							\
	__attribute__((used, section(".note.tgt"), aligned(4)))					\
	static const struct tgt_bs_note tgt_bs_note_ = {					\
		4, 12, TGT_BS_NOTE_TYPE, {'t', 'g', 't', 0}, TGT_BS_NOTE_MAGIC,			\
		TGT_BS_ABI_MAJOR, TGT_BS_ABI_MINOR, sizeof(struct tgt_bs_module)};		\
	TGT_BS_EXTERN __attribute__((visibility("default")))					\
	const struct tgt_bs_module *tgt_bs_module(const struct tgt_bs_host *tgt_bs_host_);	\
	const struct tgt_bs_module *tgt_bs_module(const struct tgt_bs_host *tgt_bs_host_)	\
	{											\
		(host_pointer) = tgt_bs_host_;							\
		return &(descriptor);								\
	}											\
	struct tgt_bs_module /* so that the macro takes a semicolon */
/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
