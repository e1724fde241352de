/* SPDX-License-Identifier: MIT */
#include "store/elf_note.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

#define MAX_PROGRAM_HEADERS 128
#define MAX_NOTE_BYTES (64 * 1024)

/* The linker points this at the ELF header of the object that this code is part of: what a module
 * must match to be mapped beside it. */
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

struct image {
	int fd;
	uint64_t size;
	char *reason;
	size_t reason_size;
};

static int reject(struct image *image, const char *why)
{
	snprintf(image->reason, image->reason_size, "%s", why);
	return -1;
}

static bool within(const struct image *image, uint64_t offset, uint64_t length)
{
	return offset <= image->size && length <= image->size - offset;
}

static int read_at(struct image *image, uint64_t offset, void *buf, size_t length)
{
	size_t done = 0;

	if (!within(image, offset, length))
		return reject(image, "truncated: a part lies beyond the end of the file");
	while (done < length) {
		ssize_t n =
		    pread(image->fd, (char *)buf + done, length - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return reject(image, strerror(errno));
		if (n == 0)
			return reject(image, "truncated: it shrank while it was read");
		done += (size_t)n;
	}
	return 0;
}

static int read_header(struct image *image, Elf64_Ehdr *header)
{
	if (image->size < sizeof(*header))
		return reject(image, "not an ELF shared object: too short");
	if (read_at(image, 0, header, sizeof(*header)))
		return -1;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return reject(image, "not an ELF shared object");
	if (header->e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] ||
	    header->e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA] ||
	    header->e_machine != __ehdr_start.e_machine)
		return reject(image, "built for another machine");
	if (header->e_type != ET_DYN)
		return reject(image, "not an ELF shared object");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
	    header->e_phnum > MAX_PROGRAM_HEADERS)
		return reject(image, "malformed ELF program headers");
	return 0;
}

static bool is_ours(const Elf64_Nhdr *head, const uint8_t *body, struct tgt_bs_note *note)
{
	const size_t start = offsetof(struct tgt_bs_note, magic);

	if (head->n_namesz != sizeof(note->name) || head->n_type != TGT_BS_NOTE_TYPE ||
	    head->n_descsz < sizeof(*note) - start || memcmp(body, "tgt", 4) != 0)
		return false;
	memcpy(note, head, sizeof(*head));
	memcpy((uint8_t *)note + sizeof(*head), body, sizeof(*note) - sizeof(*head));
	return note->magic == TGT_BS_NOTE_MAGIC;
}

static size_t align_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* gABI "Note Section": what follows the name, and the next note, start at the segment's alignment
 * (4, or 8) counted from the segment's start. */
static bool find_in_notes(const uint8_t *notes, size_t size, size_t align, struct tgt_bs_note *note)
{
	size_t at = 0;

	while (at < size && size - at >= sizeof(Elf64_Nhdr)) {
		size_t left = size - at - sizeof(Elf64_Nhdr);
		Elf64_Nhdr head;

		memcpy(&head, notes + at, sizeof(head));
		if (head.n_namesz > left || head.n_descsz > left - head.n_namesz)
			return false;
		if (is_ours(&head, notes + at + sizeof(head), note))
			return true;
		at = align_up(at + sizeof(head) + head.n_namesz, align);
		at = align_up(at + head.n_descsz, align);
	}
	return false;
}

/* 1: the note is there, 0: it isn't, -1: rejected. */
static int search_segment(struct image *image, const Elf64_Phdr *segment, struct tgt_bs_note *note)
{
	CLEANUP_FREE uint8_t *notes = NULL;

	if (!within(image, segment->p_offset, segment->p_filesz))
		return reject(image, "truncated: a segment ends beyond the end of the file");
	if (segment->p_type != PT_NOTE)
		return 0;
	if (segment->p_filesz == 0 || segment->p_filesz > MAX_NOTE_BYTES)
		return 0;
	notes = malloc(segment->p_filesz);
	if (!notes)
		return reject(image, strerror(ENOMEM));
	if (read_at(image, segment->p_offset, notes, segment->p_filesz))
		return -1;
	return find_in_notes(notes, segment->p_filesz, segment->p_align == 8 ? 8 : 4, note);
}

int elf_note_read(int fd, struct tgt_bs_note *note, char *reason, size_t size)
{
	struct image image = {.fd = fd, .reason = reason, .reason_size = size};
	Elf64_Phdr segments[MAX_PROGRAM_HEADERS] = {0};
	Elf64_Ehdr header;
	struct stat st;
	bool found = false;

	if (fstat(fd, &st) < 0)
		return reject(&image, strerror(errno));
	image.size = (uint64_t)st.st_size;
	if (read_header(&image, &header) ||
	    read_at(&image, header.e_phoff, segments, header.e_phnum * sizeof(segments[0])))
		return -1;
	/* all are checked, also behind the note: a segment beyond the end of the file would end the
	 * process by SIGBUS as soon as the dynamic linker touched it */
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		struct tgt_bs_note candidate;
		int rc = search_segment(&image, &segments[i], &candidate);

		if (rc < 0)
			return -1;
		if (rc > 0 && !found) {
			*note = candidate;
			found = true;
		}
	}
	return found ? 0 : reject(&image, "not a backing store: it has no tgt note");
}
