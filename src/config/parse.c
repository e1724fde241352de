/* SPDX-License-Identifier: MIT */
/* targets.conf(5): blocks and directives, line by line, into the model. */
#include "config/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/directives.h"
#include "scsi/changer_params.h"
#include "iscsi/address.h"
#include "iscsi/control.h"
#include "util/cleanup.h"

#define MAX_ERRORS 100

/* ---- what is wrong ---- */

static json_t *printable(char *text)
{
	json_t *string = json_string(text);

	for (char *p = text; !string && *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return string ? string : json_string(text);
}

static void note(struct parser *p, json_t *list, const char *text)
{
	char line[sizeof(p->line->file) + CONFIG_ERROR_SIZE + 32];

	if (json_array_size(list) >= MAX_ERRORS)
		return;
	if (p->line->number)
		snprintf(line, sizeof(line), "%s:%u: %s", p->line->file, p->line->number, text);
	else
		snprintf(line, sizeof(line), "%s: %s", p->line->file, text);
	json_array_append_new(list, printable(line));
}

void parse_complain(struct parser *p, const char *format, ...)
{
	char text[CONFIG_ERROR_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	note(p, p->config->errors, text);
}

json_t *parse_place(const struct parser *p)
{
	char text[sizeof(p->line->file) + 16];

	snprintf(text, sizeof(text), "%s:%u", p->line->file, p->line->number);
	return printable(text);
}

/* A line that says who may log in is wrong: leaving only it out could let everybody in. */
static void break_target(struct parser *p)
{
	if (p->target)
		json_object_set_new(p->target, "broken", json_true());
}

/* ---- words ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts a comment: from a # that stands at the start of a word outside quotes. */
static void cut_comment(char *text)
{
	char quote = '\0';

	for (char *p = text; *p; p++) {
		if (quote && *p == '\\' && p[1])
			p++;
		else if (quote)
			quote = *p == quote ? '\0' : quote;
		else if ((*p == '"' || *p == '\'') && (p == text || is_blank(p[-1])))
			quote = *p;
		else if (*p == '#' && (p == text || is_blank(p[-1])))
			*p-- = '\0';
		if (!p[1])
			break;
	}
}

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && is_blank(text[len - 1]))
		text[--len] = '\0';
}

static char *skip_blanks(char *text)
{
	while (is_blank(*text))
		text++;
	return text;
}

/* The quoted text at *at, without its quotes, in its place; NULL: it doesn't end. */
static char *quoted(char **at)
{
	char quote = **at, *start = *at + 1, *from = start, *to = start;

	while (*from && *from != quote) {
		if (*from == '\\' && (from[1] == quote || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	if (!*from)
		return NULL;
	*at = from + 1;
	*to = '\0';
	return start;
}

/* The next word, quoted or not; NULL: there is none, or *at stands at a quote that doesn't end. */
static char *next_word(char **at)
{
	char *start = skip_blanks(*at);

	*at = start;
	if (!*start)
		return NULL;
	if (*start == '"' || *start == '\'')
		return quoted(at);
	*at += strcspn(start, " \t");
	if (**at)
		*(*at)++ = '\0';
	return start;
}

/* The one value of a directive: what follows its name, which may be in quotes. */
static char *whole_value(char *text)
{
	char *at = text, *value;

	if (*text != '"' && *text != '\'')
		return text;
	value = quoted(&at);
	return value && !*skip_blanks(at) ? value : NULL;
}

/* ---- directives ---- */

/* What the line stands in. */
static enum directive_place where(const struct parser *p)
{
	return p->lun ? IN_LUN : p->target ? IN_TARGET : IN_FILE;
}

/* The object that a value is kept in: of a target, its own or what its units have in common. */
static json_t *holder(struct parser *p, const struct directive *d)
{
	json_t *object = p->lun ? p->lun : p->target;

	if (!p->lun && (d->places & IN_LUN))
		object = json_object_get(p->target, "common");
	return d->param ? json_object_get(object, "params") : object;
}

static void keep(struct parser *p, json_t *object, const char *key, json_t *value, const char *what)
{
	if (json_object_get(object, key)) {
		parse_complain(p, "%s is given twice", what);
		json_decref(value);
	} else {
		json_object_set_new(object, key, value);
	}
}

static void take_plain(struct parser *p, const struct directive *d, const char *value)
{
	char error[CONFIG_ERROR_SIZE];
	json_t *json = directive_value(d, value, error);

	if (!json)
		parse_complain(p, "%s", error);
	else
		keep(p, holder(p, d), d->member, json, d->name);
}

static void take_mode_page(struct parser *p, const struct directive *d, const char *value)
{
	json_t *object = json_object_get(holder(p, d), "params"), *key, *json;

	if (!directive_mode_page(value, &key, &json)) {
		parse_complain(
		    p, "mode_page is PAGE:SUBPAGE:LENGTH and LENGTH bytes, not \"%.60s\"", value);
		return;
	}
	keep(p, object, json_string_value(key), json, json_string_value(key));
	json_decref(key);
}

/* One "name=value" of params: as the directive of that name, or what the daemon may know. */
static void take_param(struct parser *p, const struct directive *of, char *pair)
{
	char *value = strchr(pair, '=');
	struct directive d;
	json_t *json;

	if (!value || value == pair || !value[1]) {
		parse_complain(p, "params are NAME=VALUE,..., not \"%.60s\"", pair);
		return;
	}
	*value++ = '\0';
	if (directive_find(pair, &d) && (d.param || d.type == VALUE_MODE_PAGE)) {
		d.places |= IN_LUN;
		if (d.param)
			take_plain(p, &d, value);
		else
			take_mode_page(p, &d, value);
		return;
	}
	json = json_string(value);
	if (json)
		keep(p, json_object_get(holder(p, of), "params"), pair, json, pair);
	else
		parse_complain(p, "the value of %.60s is not UTF-8", pair);
}

/* A changer's elements and cartridges come line by line, in order; the daemon knows more of them.
 */
static void take_elements(struct parser *p, const struct directive *d, const char *value)
{
	json_t *unit = holder(p, d), *lines = json_object_get(unit, "elements");
	struct changer_params params;
	char error[128];

	if (!changer_params_parse(value, &params, error, sizeof(error))) {
		parse_complain(p, "%s", error);
		return;
	}
	changer_params_free(&params);
	if (!lines) {
		lines = json_array();
		json_object_set_new(unit, "elements", lines);
	}
	if (json_array_append_new(lines, json_string(value)))
		parse_complain(p, "the parameters are not UTF-8");
}

static void take_params(struct parser *p, const struct directive *d, char *value)
{
	char *rest = NULL;

	if (changer_params_are(value)) {
		take_elements(p, d, value);
		return;
	}

	for (char *pair = strtok_r(value, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest))
		take_param(p, d, pair);
}

/* A text in a set of the target's: an address, a name. */
static void take_member(struct parser *p, const char *set, const char *value)
{
	if (!*value ||
	    json_object_set_new(json_object_get(p->target, set), value, parse_place(p))) {
		parse_complain(p, "the value is empty, or not UTF-8");
		break_target(p);
	}
}

static void take_address(struct parser *p, const char *value)
{
	if (strcasecmp(value, "none") == 0) {
		json_object_set_new(p->target, "closed", json_true());
	} else if (strcasecmp(value, "all") == 0) {
		take_member(p, "addresses", "ALL");
	} else if (address_rule_valid(value)) {
		take_member(p, "addresses", value);
	} else {
		parse_complain(p,
			       "\"%.60s\" is no initiator-address: ALL, none, an IP address, or "
			       "ADDRESS/BITS",
			       value);
		break_target(p);
	}
}

static void take_name(struct parser *p, const char *value)
{
	if (strlen(value) <= ISCSI_NAME_MAX) {
		take_member(p, "names", value);
		return;
	}
	parse_complain(p, "an initiator-name has at most %d bytes", ISCSI_NAME_MAX);
	break_target(p);
}

/* "USER PASSWORD", or the USER of an account that was made by hand. */
static void take_account(struct parser *p, const struct directive *d, char *value)
{
	const char *side = d->type == VALUE_INCOMING ? "incoming" : "outgoing";
	json_t *in = p->target ? p->target : json_object_get(p->config->model, "discovery");
	json_t *accounts = json_object_get(p->config->model, "accounts"), *known, *secret;
	char *user = next_word(&value), *password = next_word(&value);

	break_target(p); /* until nothing is wrong with it */
	if (!user || *skip_blanks(value)) {
		parse_complain(p, "%s is a user and a password", d->name);
		return;
	}
	secret = password ? json_string(password) : NULL;
	if (!json_string_length(secret) != !password || !*user) {
		parse_complain(p, "%s: user or password is empty or not UTF-8", d->name);
		json_decref(secret);
		return;
	}
	in = json_object_get(in, side);
	known = json_object_get(accounts, user);
	if (known && secret && !json_equal(known, secret)) {
		parse_complain(p, "%.200s has another password elsewhere", user);
	} else if (d->type == VALUE_OUTGOING && json_object_size(in)) {
		parse_complain(p, "%s is given twice", d->name);
	} else if (json_object_set_new(in, user, parse_place(p))) {
		parse_complain(p, "%s: the user is not UTF-8", d->name);
	} else {
		if (secret)
			json_object_set(accounts, user, secret);
		if (p->target && !p->was_broken)
			json_object_del(p->target, "broken");
	}
	json_decref(secret);
}

static void take_store(struct parser *p, const struct directive *d, const char *value)
{
	parse_open_unit(p, strcasecmp(d->name, "direct-store") == 0, value);
	p->lun = NULL;
}

static void take_driver(struct parser *p, const struct directive *d, const char *value)
{
	if (strcmp(value, "iscsi") != 0)
		parse_complain(p, "%s: there is no driver \"%.60s\" here, only iscsi", d->name,
			       value);
}

static void take_state(struct parser *p, const char *value)
{
	if (strcmp(value, "ready") != 0 && strcmp(value, "offline") != 0)
		parse_complain(p, "state is ready or offline, not \"%.60s\"", value);
	else
		keep(p, p->target, "state", json_string(value), "state");
}

static void take_session_key(struct parser *p, const struct directive *d, const char *value)
{
	if (!iscsi_param_valid(d->name, value))
		parse_complain(p, "%s can't be \"%.60s\"", d->name, value);
	else
		keep(p, json_object_get(p->target, "parameters"), d->name, json_string(value),
		     d->name);
}

static void take_ignore_errors(struct parser *p, const char *value)
{
	static const struct directive row = {.name = "ignore-errors", .type = VALUE_BOOL};
	char error[CONFIG_ERROR_SIZE];
	json_t *json = directive_value(&row, value, error);

	if (!json)
		parse_complain(p, "%s", error);
	p->ignore |= json_is_true(json);
	json_decref(json);
}

static void take_control_port(struct parser *p, const char *value)
{
	static const struct directive row = {
	    .name = "control-port", .type = VALUE_NUMBER, .max = UINT16_MAX};
	char error[CONFIG_ERROR_SIZE];
	json_t *json = directive_value(&row, value, error);

	if (!json) {
		parse_complain(p, "%s", error);
		return;
	}
	p->config->has_control_port = true;
	p->config->control_port = (unsigned)json_integer_value(json);
	json_decref(json);
}

/* Once is enough: who has one of the four has all. */
static void warn_isns(struct parser *p)
{
	if (!p->warned_isns)
		note(p, p->config->warnings, "there is no iSNS client here: this has no effect");
	p->warned_isns = true;
}

static void take_include(struct parser *p, const char *value)
{
	char error[CONFIG_ERROR_SIZE];

	if (!config_include(&p->sources, p->line, value, error))
		parse_complain(p, "%s", error);
}

/* What the parser does itself. */
static void take_special(struct parser *p, const struct directive *d, char *value)
{
	switch (d->type) {
	case VALUE_INCLUDE:
		take_include(p, value);
		break;
	case VALUE_IGNORE_ERRORS:
		take_ignore_errors(p, value);
		break;
	case VALUE_CONTROL_PORT:
		take_control_port(p, value);
		break;
	case VALUE_WITHOUT_EFFECT:
		warn_isns(p);
		break;
	case VALUE_DRIVER:
		take_driver(p, d, value);
		break;
	case VALUE_STATE:
		take_state(p, value);
		break;
	case VALUE_ADDRESS:
		take_address(p, value);
		break;
	case VALUE_NAME:
		take_name(p, value);
		break;
	case VALUE_STORE:
		take_store(p, d, value);
		break;
	case VALUE_MODE_PAGE:
		take_mode_page(p, d, value);
		break;
	case VALUE_PARAMS:
		take_params(p, d, value);
		break;
	case VALUE_SESSION_KEY:
		take_session_key(p, d, value);
		break;
	default:
		take_plain(p, d, value);
		break;
	}
}

/* Who may log in, and how. */
static bool says_who(const struct directive *d)
{
	return d->type == VALUE_ADDRESS || d->type == VALUE_NAME || d->type == VALUE_INCOMING ||
	       d->type == VALUE_OUTGOING;
}

static void take_directive(struct parser *p, char *text)
{
	static const char *const places[] = {
	    [IN_FILE] = "outside of a target",
	    [IN_TARGET] = "in a target",
	    [IN_LUN] = "in a logical unit",
	};
	char *at = text + strcspn(text, " \t="), *value;
	struct directive d;
	char end = *at;

	if (end)
		*at++ = '\0';
	at = skip_blanks(at);
	if (end != '=' && *at == '=')
		at = skip_blanks(at + 1);
	if (!directive_find(text, &d)) {
		parse_complain(p, "there is no directive \"%.60s\"", text);
		return;
	}
	if (!(d.places & where(p))) {
		parse_complain(p, "%s can't stand %s", d.name, places[where(p)]);
		if (says_who(&d))
			break_target(p);
		return;
	}
	if (d.type == VALUE_INCOMING || d.type == VALUE_OUTGOING) {
		p->was_broken = p->target && json_object_get(p->target, "broken");
		take_account(p, &d, at);
		return;
	}
	value = whole_value(at);
	if (value && *value) {
		take_special(p, &d, value);
		return;
	}
	parse_complain(p, value ? "%s has no value" : "%s: the quotes don't match", d.name);
	if (says_who(&d))
		break_target(p);
}

/* ---- blocks ---- */

/* "<name value>" or "</name>", taken apart; false: it is neither. */
static bool take_apart(char *text, char **name, char **value, bool *closing)
{
	size_t len = strlen(text);

	if (len < 3 || text[len - 1] != '>')
		return false;
	text[len - 1] = '\0';
	text = skip_blanks(text + 1);
	*closing = *text == '/';
	*name = skip_blanks(text + *closing);
	*value = *name + strcspn(*name, " \t");
	if (**value)
		*(*value)++ = '\0';
	*value = skip_blanks(*value);
	trim_end(*value);
	*value = whole_value(*value);
	return **name && *value;
}

static void close_block(struct parser *p, const char *name, const char *value)
{
	const char *open = p->lun ? p->lun_block : p->target ? "target" : NULL;

	if (*value || !open || strcasecmp(open, name) != 0) {
		parse_complain(p, "</%.60s> ends no block%s%s", name, open ? ": open is " : "",
			       open ? open : "");
		return;
	}
	if (p->lun)
		p->lun = NULL;
	else
		parse_end_target(p);
}

static void open_block(struct parser *p, const char *name, const char *value)
{
	bool direct = strcasecmp(name, "direct-store") == 0;

	if (strcasecmp(name, "target") == 0 && where(p) == IN_FILE) {
		parse_open_target(p, value);
	} else if ((direct || strcasecmp(name, "backing-store") == 0) && where(p) == IN_TARGET) {
		p->lun_block = direct ? "direct-store" : "backing-store";
		parse_open_unit(p, direct, value);
	} else {
		parse_complain(p, "a block <%.60s> can't stand here", name);
		snprintf(p->skipping, sizeof(p->skipping), "%s", name);
	}
}

static void take_block(struct parser *p, char *text)
{
	char *name, *value;
	bool closing;

	if (!take_apart(text, &name, &value, &closing))
		parse_complain(p, "a block begins with <NAME VALUE> and ends with </NAME>");
	else if (closing)
		close_block(p, name, value);
	else
		open_block(p, name, value);
}

/* Inside a block that nothing is known of, until it ends. */
static bool skip_line(struct parser *p)
{
	const char *text = p->line->text;
	size_t len = strlen(p->skipping);

	if (!len)
		return false;
	if (text[0] == '<' && text[1] == '/' && strncasecmp(text + 2, p->skipping, len) == 0)
		p->skipping[0] = '\0';
	return true;
}

void parse_line(struct parser *p)
{
	char *text = p->line->text;

	cut_comment(text);
	trim_end(text);
	if (!*text || skip_line(p))
		return;
	if (*text == '<')
		take_block(p, text);
	else
		take_directive(p, text);
}
