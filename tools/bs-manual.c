/* SPDX-License-Identifier: MIT */
/*
 * Completes a store's manual page from its module: bs-manual MODULE.so PAGE
 * Prints PAGE with the line @OPTIONS@ replaced by the module's options, as tgtd parses them.  Runs
 * while tgt is built, so that page and program can't say different things.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tgt/backing-store.h>

static const struct tgt_bs_host no_host = {
    .struct_size = sizeof(no_host),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
};

static const char *type_name(uint32_t type)
{
	switch (type) {
	case TGT_BS_OPT_BOOL:
		return "yes|no";
	case TGT_BS_OPT_UINT:
		return "NUMBER";
	case TGT_BS_OPT_FILE:
		return "PATH";
	default:
		return "TEXT";
	}
}

/* A hyphen that is to stay one, and a backslash, are escaped in roff. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		if (*text == '\\')
			putchar('e');
		else
			putchar(*text);
	}
}

static void print_option(const struct tgt_bs_option *option)
{
	printf(".TP\n.BI ");
	print_text(option->name);
	printf("= %s\n", type_name(option->type));
	print_text(option->help);
	if (option->default_value) {
		printf(" (default ");
		print_text(option->default_value);
		putchar(')');
	}
	puts(".");
}

static void print_options(const struct tgt_bs_module *module)
{
	if (!module->nr_options)
		puts("None.");
	for (uint32_t i = 0; i < module->nr_options; i++)
		print_option(&module->options[i]);
}

static const struct tgt_bs_module *load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	tgt_bs_module_fn entry = NULL;

	if (handle)
		*(void **)&entry = dlsym(handle, TGT_BS_ENTRY);
	if (!entry)
		fprintf(stderr, "bs-manual: %s\n", dlerror());
	return entry ? entry(&no_host) : NULL;
}

int main(int argc, char **argv)
{
	const struct tgt_bs_module *module = argc == 3 ? load(argv[1]) : NULL;
	FILE *page = module ? fopen(argv[2], "re") : NULL;
	char line[1024];

	if (!page) {
		fprintf(stderr, "usage: bs-manual MODULE.so PAGE\n");
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), page)) {
		if (strcmp(line, "@OPTIONS@\n") == 0)
			print_options(module);
		else
			fputs(line, stdout);
	}
	fclose(page);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
