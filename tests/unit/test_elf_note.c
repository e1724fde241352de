/* SPDX-License-Identifier: MIT */
/* Reading a module's note: from files of which each field in turn is wrong. */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/elf_note.h"
#include "util/cleanup.h"

#define GOOD TGT_BUILD_DIR "/tests/fixtures/modules/good/bs_good.so"

/* The bytes of a good module, for each test to spoil. */
static uint8_t *image;
static size_t size;
static char reason[256];

static int load_image(void **state)
{
	CLEANUP_CLOSE int fd = open(GOOD, O_RDONLY | O_CLOEXEC);
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	size = (size_t)st.st_size;
	image = malloc(size);
	assert_non_null(image);
	assert_int_equal(read(fd, image, size), st.st_size);
	return 0;
}

static int free_image(void **state)
{
	(void)state;
	free(image);
	return 0;
}

static int read_note_of(size_t length, struct tgt_bs_note *note)
{
	CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image, length), (ssize_t)length);
	reason[0] = '\0';
	return elf_note_read(fd, note, reason, sizeof(reason));
}

static void rejected(const char *why)
{
	struct tgt_bs_note note;

	assert_int_equal(read_note_of(size, &note), -1);
	if (!strstr(reason, why))
		fail_msg("the reason is \"%s\", not \"%s\"", reason, why);
}

static Elf64_Ehdr header(void)
{
	Elf64_Ehdr h;

	memcpy(&h, image, sizeof(h));
	return h;
}

static void set_header(const Elf64_Ehdr *h)
{
	memcpy(image, h, sizeof(*h));
}

static size_t segment_at(unsigned int i)
{
	return header().e_phoff + i * sizeof(Elf64_Phdr);
}

static Elf64_Phdr segment(unsigned int i)
{
	Elf64_Phdr s;

	memcpy(&s, image + segment_at(i), sizeof(s));
	return s;
}

/* Where our note starts in the file. */
static size_t note_at(void)
{
	static const uint8_t head[] = {4, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 't', 'g', 't', 0};
	uint8_t *at = memmem(image, size, head, sizeof(head));

	assert_non_null(at);
	return (size_t)(at - image);
}

static void note_is_read(void **state)
{
	struct tgt_bs_note note;

	(void)state;
	assert_int_equal(read_note_of(size, &note), 0);
	assert_string_equal(note.name, "tgt");
	assert_int_equal(note.magic, TGT_BS_NOTE_MAGIC);
	assert_int_equal(note.abi_major, TGT_BS_ABI_MAJOR);
	assert_int_equal(note.abi_minor, TGT_BS_ABI_MINOR);
	assert_int_equal(note.module_size, sizeof(struct tgt_bs_module));
}

/* However much of it is there, it is rejected, and nothing beyond the end is read.  What comes
 * after the last segment (section headers, symbols) may be missing: it is never mapped. */
static void every_truncation(void **state)
{
	size_t needed = 0;

	(void)state;
	for (unsigned int i = 0; i < header().e_phnum; i++) {
		Elf64_Phdr s = segment(i);

		if (s.p_offset + s.p_filesz > needed)
			needed = s.p_offset + s.p_filesz;
	}
	for (size_t length = 0; length < needed; length += length < 1024 ? 1 : 61) {
		struct tgt_bs_note note;

		assert_int_equal(read_note_of(length, &note), -1);
		assert_true(strstr(reason, "truncated") || strstr(reason, "too short"));
	}
	assert_int_equal(read_note_of(needed, &(struct tgt_bs_note){0}), 0);
}

static void wrong_identification(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} rows[] = {
	    {EI_MAG0, 'x', "not an ELF"},
	    {EI_MAG3, 'x', "not an ELF"},
	    {EI_CLASS, ELFCLASS32, "another machine"},
	    {EI_DATA, ELFDATA2MSB, "another machine"},
	    {offsetof(Elf64_Ehdr, e_machine), EM_SPARC, "another machine"},
	    {offsetof(Elf64_Ehdr, e_type), ET_EXEC, "not an ELF shared object"},
	    {offsetof(Elf64_Ehdr, e_type), ET_REL, "not an ELF shared object"},
	    {offsetof(Elf64_Ehdr, e_phentsize), 1, "program headers"},
	    {offsetof(Elf64_Ehdr, e_phnum), 0, "program headers"},
	    {offsetof(Elf64_Ehdr, e_phnum), 255, "program headers"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t saved = image[rows[i].at];

		image[rows[i].at] = rows[i].value;
		rejected(rows[i].why);
		image[rows[i].at] = saved;
	}
}

static void program_headers_beyond_the_end(void **state)
{
	const uint64_t places[] = {size, size - 1, UINT64_MAX, UINT64_MAX - 63, (uint64_t)1 << 63};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		Elf64_Ehdr h = header(), spoilt = h;

		spoilt.e_phoff = places[i];
		set_header(&spoilt);
		rejected("truncated");
		set_header(&h);
	}
}

/* Any segment, also one that isn't a note: the dynamic linker would map it. */
static void segments_beyond_the_end(void **state)
{
	const struct {
		uint64_t offset, length;
	} spans[] = {
	    {0, size + 1},
	    {size, 1},
	    {size - 1, 2},
	    {UINT64_MAX, 1},
	    {UINT64_MAX, UINT64_MAX},
	    {1, UINT64_MAX},
	    {UINT64_MAX - 7, 16},
	};

	(void)state;
	for (unsigned int i = 0; i < header().e_phnum; i++) {
		Elf64_Phdr s = segment(i);

		for (size_t j = 0; j < ARRAY_SIZE(spans); j++) {
			Elf64_Phdr spoilt = s;

			spoilt.p_offset = spans[j].offset;
			spoilt.p_filesz = spans[j].length;
			memcpy(image + segment_at(i), &spoilt, sizeof(spoilt));
			rejected("truncated");
		}
		memcpy(image + segment_at(i), &s, sizeof(s));
	}
}

/* A note of another owner, another kind, or too short for its fields is none of ours. */
static void wrong_notes(void **state)
{
	static const struct {
		size_t at; /* from the note's start */
		uint8_t value;
	} rows[] = {
	    {0, 3},   {0, 5}, {0, 255},  {3, 255},  {4, 11},
	    {7, 255}, {8, 2}, {12, 'x'}, {15, 'x'}, {16, 0},
	};
	const size_t at = note_at();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t saved = image[at + rows[i].at];

		image[at + rows[i].at] = rows[i].value;
		rejected("no tgt note");
		image[at + rows[i].at] = saved;
	}
}

/* However short the segment that holds it is. */
static void cut_notes(void **state)
{
	const size_t at = note_at();

	(void)state;
	for (unsigned int i = 0; i < header().e_phnum; i++) {
		Elf64_Phdr s = segment(i);

		if (s.p_type != PT_NOTE || at < s.p_offset || at >= s.p_offset + s.p_filesz)
			continue;
		for (s.p_filesz = 0; s.p_filesz < at - s.p_offset + sizeof(struct tgt_bs_note);
		     s.p_filesz++) {
			memcpy(image + segment_at(i), &s, sizeof(s));
			rejected("no tgt note");
		}
		return;
	}
	fail_msg("no segment holds the note");
}

/* Whatever the bytes are: an answer, and no access beyond the buffers (the sanitizers look on). */
static void random_damage(void **state)
{
	CLEANUP_FREE uint8_t *good = malloc(size);
	unsigned int seed = 1;
	const size_t head = 4096;

	(void)state;
	memcpy(good, image, size);
	for (int round = 0; round < 2000; round++) {
		struct tgt_bs_note note;

		for (int i = 0; i < 4; i++)
			image[(size_t)rand_r(&seed) % (i ? 1024 : head)] = (uint8_t)rand_r(&seed);
		if (read_note_of(size, &note))
			assert_true(*reason);
		else
			assert_int_equal(note.magic, TGT_BS_NOTE_MAGIC);
		memcpy(image, good, size);
	}
}

static void unreadable_file(void **state)
{
	CLEANUP_CLOSE int fd = open(GOOD, O_WRONLY | O_CLOEXEC);
	struct tgt_bs_note note;

	(void)state;
	assert_int_equal(elf_note_read(fd, &note, reason, sizeof(reason)), -1);
	assert_non_null(strstr(reason, "Bad file descriptor"));
	assert_int_equal(elf_note_read(-1, &note, reason, sizeof(reason)), -1);
	assert_non_null(strstr(reason, "Bad file descriptor"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, load_image, free_image)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(note_is_read),
	    TEST(every_truncation),
	    TEST(wrong_identification),
	    TEST(program_headers_beyond_the_end),
	    TEST(segments_beyond_the_end),
	    TEST(wrong_notes),
	    TEST(random_damage),
	    TEST(unreadable_file),
	    TEST(cut_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
