/* SPDX-License-Identifier: MIT */
/* "bsopts": a store's options as an operator writes them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/loader.h"

enum { PATH, CACHE, SIZE, NAME, NR_OPTIONS };

static struct tgt_bs_option options[NR_OPTIONS] = {
    [PATH] = {.struct_size = sizeof(struct tgt_bs_option), .type = TGT_BS_OPT_FILE, .name = "path"},
    [CACHE] = {.struct_size = sizeof(struct tgt_bs_option),
	       .type = TGT_BS_OPT_BOOL,
	       .name = "cache",
	       .default_value = "yes"},
    [SIZE] = {.struct_size = sizeof(struct tgt_bs_option),
	      .type = TGT_BS_OPT_UINT,
	      .name = "size",
	      .default_value = "1M",
	      .min = 512,
	      .max = 1ull << 40},
    [NAME] = {.struct_size = sizeof(struct tgt_bs_option),
	      .type = TGT_BS_OPT_STRING,
	      .name = "name"},
};

static const struct store_module module = {
    .descriptor = {.name = "fuzzed", .options = options, .nr_options = NR_OPTIONS},
    .options = options,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *text = fuzz_rest_text(&in), error[64] = "";
	struct tgt_bs_value *values = NULL;

	if (store_parse_options(&module, text, &values, error, sizeof(error))) {
		must(!values);
		must(*error && memchr(error, 0, sizeof(error)));
	} else {
		must(values[CACHE].is_set && values[SIZE].is_set);
		must(values[SIZE].number >= 512 && values[SIZE].number <= 1ull << 40);
		must(!values[PATH].is_set || *values[PATH].text);
		must(!values[NAME].is_set || values[NAME].text);
		store_free_values(&module, values);
	}
	free(text);
	return 0;
}
