/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzzer where there is no libFuzzer: first every file of the corpus as it is, then inputs
 * made of those by mutations.  The random numbers are the same in every run, so a failure is found
 * again; the input at hand stands in NAME.last, which stays when the process doesn't come back.
 *
 *	fuzz_NAME [-n RUNS] [-s SEED] [-t SECONDS] FILE_OR_FOLDER...
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 65536u
#define FILES_MAX 4096u

struct entry {
	char *name;
	uint8_t *data;
	size_t size;
};

static struct entry corpus[FILES_MAX];
static size_t nr_corpus;
static uint64_t random_state;
static uint8_t *last; /* the mapped file: 8 bytes of length, then the input */
static char last_name[256];

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
static uint32_t random_number(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 2685821657736338717ull) >> 33) % (below ? below : 1);
}

/* ---- the corpus ---- */

static void add_file(const char *path)
{
	struct entry *e = &corpus[nr_corpus];
	FILE *f = fopen(path, "rb");

	must(f && nr_corpus < FILES_MAX);
	e->data = malloc(INPUT_MAX);
	must(e->data);
	e->size = fread(e->data, 1, INPUT_MAX, f);
	e->name = strdup(path);
	must(e->name && !ferror(f));
	fclose(f);
	nr_corpus++;
}

static int wanted(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void add(const char *path)
{
	struct dirent **entries;
	struct stat st;
	char name[4096];
	int count;

	if (stat(path, &st)) {
		perror(path);
		exit(2);
	}
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	count = scandir(path, &entries, wanted, alphasort);
	must(count >= 0);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		add_file(name);
		free(entries[i]);
	}
	free(entries);
}

/* ---- mutations ---- */

static void flip(uint8_t *data, size_t size)
{
	if (size)
		data[random_number((uint32_t)size)] ^= (uint8_t)(1u << random_number(8));
}

static void overwrite(uint8_t *data, size_t size)
{
	static const uint8_t interesting[] = {0,    1,    4,    7,    8,    0x10,
					      0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff};

	if (size)
		data[random_number((uint32_t)size)] =
		    random_number(2) ? interesting[random_number(sizeof(interesting))]
				     : (uint8_t)random_number(256);
}

/* A field of two or four bytes that says the most, the least, or a little more or less. */
static void number(uint8_t *data, size_t size)
{
	size_t width = random_number(2) ? 2 : 4, at;
	uint32_t value = 0;

	if (size < width)
		return;
	at = random_number((uint32_t)(size - width + 1));
	for (size_t i = 0; i < width; i++)
		value = value << 8 | data[at + i];
	switch (random_number(5)) {
	case 0:
		value = 0xffffffff - random_number(4);
		break;
	case 1:
		value = random_number(4);
		break;
	case 2:
		value = 1u << random_number(32);
		break;
	default:
		value += random_number(17) - 8;
	}
	for (size_t i = width; i; i--, value >>= 8)
		data[at + i - 1] = (uint8_t)value;
}

static size_t put_in(uint8_t *data, size_t size)
{
	size_t at = random_number((uint32_t)size + 1), n = 1 + random_number(16);

	if (n > INPUT_MAX - size)
		return size;
	memmove(data + at + n, data + at, size - at);
	for (size_t i = 0; i < n; i++)
		data[at + i] = (uint8_t)random_number(256);
	return size + n;
}

static size_t cut_out(uint8_t *data, size_t size)
{
	size_t at, n;

	if (!size)
		return 0;
	at = random_number((uint32_t)size);
	n = 1 + random_number(random_number(8) ? 16 : (uint32_t)size);
	if (n > size - at)
		n = size - at;
	memmove(data + at, data + at + n, size - at - n);
	return size - n;
}

/* A part of one of the corpus in place of what stands there, or between it. */
static size_t splice_in(uint8_t *data, size_t size)
{
	const struct entry *other = &corpus[random_number((uint32_t)nr_corpus)];
	size_t from, at, n;

	if (!other->size)
		return size;
	from = random_number((uint32_t)other->size);
	n = 1 + random_number((uint32_t)(other->size - from));
	at = random_number((uint32_t)size + 1);
	if (random_number(2)) {
		if (n > INPUT_MAX - at)
			n = INPUT_MAX - at;
		memcpy(data + at, other->data + from, n);
		return size > at + n ? size : at + n;
	}
	if (n > INPUT_MAX - size)
		n = INPUT_MAX - size;
	memmove(data + at + n, data + at, size - at);
	memcpy(data + at, other->data + from, n);
	return size + n;
}

static size_t mutate(uint8_t *data, size_t size)
{
	for (uint32_t i = 1 + random_number(random_number(4) ? 4 : 32); i; i--) {
		switch (random_number(8)) {
		case 0:
		case 1:
			flip(data, size);
			break;
		case 2:
			overwrite(data, size);
			break;
		case 3:
		case 4:
			number(data, size);
			break;
		case 5:
			size = put_in(data, size);
			break;
		case 6:
			size = cut_out(data, size);
			break;
		default:
			size = splice_in(data, size);
		}
	}
	return size;
}

/* What a fuzzer may have instead, with the functions above at its service (libFuzzer's names). */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
						     unsigned int seed);

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	static uint8_t room[INPUT_MAX];

	memcpy(room, data, size);
	size = mutate(room, size);
	size = size < max_size ? size : max_size;
	memcpy(data, room, size);
	return size;
}

static size_t mutate_any(uint8_t *data, size_t size)
{
	if (!LLVMFuzzerCustomMutator)
		return mutate(data, size);
	for (uint32_t i = 1 + random_number(4); i; i--)
		size = LLVMFuzzerCustomMutator(data, size, INPUT_MAX, random_number(1u << 30));
	return size;
}

/* ---- running ---- */

static void map_last(const char *program)
{
	const char *slash = strrchr(program, '/');
	int fd;

	snprintf(last_name, sizeof(last_name), "%s.last", slash ? slash + 1 : program);
	fd = open(last_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && !ftruncate(fd, INPUT_MAX + 8));
	last = mmap(NULL, INPUT_MAX + 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(last != MAP_FAILED);
	close(fd);
}

/* In memory of exactly that size, so that a sanitizer sees one byte too far. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	uint64_t length = size;

	must(exact);
	if (size)
		memcpy(exact, data, size);
	memcpy(last, &length, sizeof(length));
	memcpy(last + 8, exact, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

/* A NAME.last holds its length before the input. */
static void replay_last(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint64_t length;
	uint8_t *data = malloc(INPUT_MAX);

	must(f && data && fread(&length, sizeof(length), 1, f) == 1 && length <= INPUT_MAX &&
	     fread(data, 1, length, f) == length);
	fclose(f);
	must(fwrite(data, 1, length, stdout) == length);
	free(data);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned long run_mutated(unsigned long runs, double limit)
{
	static uint8_t data[INPUT_MAX];
	double end = seconds() + limit;
	unsigned long n;

	for (n = 0; n < runs && seconds() < end; n++) {
		const struct entry *e = &corpus[random_number((uint32_t)nr_corpus)];

		memcpy(data, e->data, e->size);
		run(data, mutate_any(data, e->size));
	}
	return n;
}

int main(int argc, char **argv)
{
	unsigned long runs = 10000, seed = 1, done;
	double limit = 2;
	int option;

	while ((option = getopt(argc, argv, "n:s:t:x:")) != -1) {
		if (option == 'n')
			runs = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoul(optarg, NULL, 10);
		else if (option == 't')
			limit = strtod(optarg, NULL);
		else if (option == 'x') {
			replay_last(optarg);
			return 0;
		} else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		add(argv[i]);
	if (!nr_corpus) {
		fprintf(stderr, "%s: there is no corpus\n", argv[0]);
		return 2;
	}
	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
	map_last(argv[0]);
	for (size_t i = 0; i < nr_corpus; i++)
		run(corpus[i].data, corpus[i].size);
	done = run_mutated(runs, limit);
	unlink(last_name);
	printf("%zu files, %lu mutations of them\n", nr_corpus, done);
	for (size_t i = 0; i < nr_corpus; i++) {
		free(corpus[i].data);
		free(corpus[i].name);
	}
	return 0;
}
