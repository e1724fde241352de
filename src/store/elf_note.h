/* SPDX-License-Identifier: MIT */
/* Reads a module's ELF note from its file, so that nothing of it runs before its version is known.
 */
#ifndef TGT_STORE_ELF_NOTE_H
#define TGT_STORE_ELF_NOTE_H

#include <stddef.h>

#include <tgt/backing-store.h>

/*
 * Checks that fd is a shared object for this machine whose segments lie within the file, and copies
 * the note that TGT_BS_MODULE() left in it.  Reads by pread() only.  Returns 0; or -1 and reason (a
 * text of at most size bytes, without the file's name) says why.  Any thread.
 */
int elf_note_read(int fd, struct tgt_bs_note *note, char *reason, size_t size);

#endif
