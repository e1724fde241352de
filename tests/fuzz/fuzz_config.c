/* SPDX-License-Identifier: MIT */
/* targets.conf: reading it, and what it changes. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/plan.h"
#include "fuzz.h"

/* A target is made by a step at least, and what doesn't run is not removed. */
static void plans(const json_t *model)
{
	const struct config_choice choice = {.name = NULL};
	json_t *nothing = config_model_new(), *plan, *memory, *failed = json_array();

	plan = config_plan(model, nothing, nothing, &choice);
	must(json_array_size(json_object_get(plan, "steps")) >=
	     json_object_size(json_object_get(model, "targets")));
	must(!json_array_size(json_object_get(plan, "refused")));
	json_decref(plan);
	plan = config_plan(nothing, model, nothing, &choice);
	must(!json_array_size(json_object_get(plan, "steps")));
	json_decref(plan);
	memory = config_remember(model, nothing, nothing, &choice, failed);
	must(!json_object_size(json_object_get(memory, "targets")));
	json_decref(memory);
	json_decref(failed);
	json_decref(nothing);
}

static void check(const struct config *config)
{
	json_t *error;
	size_t i;

	must(config->model || json_array_size(config->errors));
	must(!config->model || !json_array_size(config->errors));
	json_array_foreach(config->errors, i, error)
	{
		must(strncmp(json_string_value(error), "fuzz:", 5) == 0);
	}
	if (config->model)
		plans(config->model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	bool ignore = size && (data[size - 1] & 1);

	config_read_text("fuzz", (const char *)data, size, ignore, &config);
	if (ignore)
		must(config.model);
	check(&config);
	config_free(&config);
	return 0;
}
