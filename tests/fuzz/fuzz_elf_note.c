/* SPDX-License-Identifier: MIT */
/* The note in a module's file, whatever that file is. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/elf_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct tgt_bs_note note;
	char reason[80] = "";

	if (fd < 0)
		fd = memfd_create("module", MFD_CLOEXEC);
	must(fd >= 0 && !ftruncate(fd, 0));
	must(pwrite(fd, data, size, 0) == (ssize_t)size);
	if (elf_note_read(fd, &note, reason, sizeof(reason)))
		must(*reason && memchr(reason, 0, sizeof(reason)));
	else
		must(note.magic == TGT_BS_NOTE_MAGIC && size > sizeof(note));
	return 0;
}
