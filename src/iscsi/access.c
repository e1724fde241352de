/* SPDX-License-Identifier: MIT */
/* Access rules and accounts. */
#include "iscsi/access.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iscsi/address.h"
#include "iscsi/internal.h"

static struct list accounts = LIST_INIT(accounts);
static struct list discovery_accounts = LIST_INIT(discovery_accounts);

/* ---- rules ---- */

static struct iscsi_binding *binding_find(const struct list *bindings, const char *text,
					  bool outgoing)
{
	list_for_each (b, bindings, struct iscsi_binding, link) {
		if (!strcmp(b->text, text) && b->outgoing == outgoing)
			return b;
	}
	return NULL;
}

static int binding_add(struct list *bindings, const char *text, bool outgoing)
{
	struct iscsi_binding *b;

	if (binding_find(bindings, text, outgoing))
		return -EEXIST;
	b = calloc(1, sizeof(*b));
	if (!b || !(b->text = strdup(text))) {
		free(b);
		return -ENOMEM;
	}
	b->outgoing = outgoing;
	list_add_tail(bindings, &b->link);
	return 0;
}

static void binding_free(struct iscsi_binding *b)
{
	list_del(&b->link);
	free(b->text);
	free(b);
}

static int binding_remove(struct list *bindings, const char *text, bool outgoing)
{
	struct iscsi_binding *b = binding_find(bindings, text, outgoing);

	if (!b)
		return -ENOENT;
	binding_free(b);
	return 0;
}

void bindings_free(struct list *bindings)
{
	while (!list_empty(bindings))
		binding_free(list_first(bindings, struct iscsi_binding, link));
}

int iscsi_bind_address(struct iscsi_target *target, const char *text)
{
	return address_rule_valid(text) ? binding_add(&target->addresses, text, false) : -EINVAL;
}

int iscsi_unbind_address(struct iscsi_target *target, const char *text)
{
	return binding_remove(&target->addresses, text, false);
}

int iscsi_bind_name(struct iscsi_target *target, const char *name)
{
	if (!*name || strlen(name) > ISCSI_NAME_MAX)
		return -EINVAL;
	return binding_add(&target->names, name, false);
}

int iscsi_unbind_name(struct iscsi_target *target, const char *name)
{
	return binding_remove(&target->names, name, false);
}

static bool address_bound(const struct iscsi_target *target, const union address *peer)
{
	list_for_each (b, &target->addresses, struct iscsi_binding, link) {
		if (address_rule_matches(b->text, peer))
			return true;
	}
	return false;
}

/* RFC 7143 4.2.7.2: names are compared after mapping to lower case. */
static bool name_bound(const struct iscsi_target *target, const char *initiator)
{
	list_for_each (b, &target->names, struct iscsi_binding, link) {
		if (!strcasecmp(b->text, initiator))
			return true;
	}
	return false;
}

bool access_allowed(const struct iscsi_target *target, const char *initiator,
		    const union address *peer)
{
	return address_bound(target, peer) || name_bound(target, initiator);
}

/* ---- accounts ---- */

static struct iscsi_account *account_find(const char *user)
{
	list_for_each (a, &accounts, struct iscsi_account, link) {
		if (!strcmp(a->user, user))
			return a;
	}
	return NULL;
}

const struct list *iscsi_accounts(void)
{
	return &accounts;
}

const struct list *iscsi_discovery_accounts(void)
{
	return &discovery_accounts;
}

static void account_free(struct iscsi_account *a)
{
	if (a->password) {
		OPENSSL_cleanse(a->password, strlen(a->password));
		free(a->password);
	}
	free(a->user);
	free(a);
}

int iscsi_account_add(const char *user, const char *password)
{
	struct iscsi_account *a;

	if (!*user || !*password)
		return -EINVAL;
	if (account_find(user))
		return -EEXIST;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->user = strdup(user);
	a->password = strdup(password);
	if (!a->user || !a->password) {
		account_free(a);
		return -ENOMEM;
	}
	list_add_head(&accounts, &a->link);
	return 0;
}

int iscsi_account_set_password(const char *user, const char *password)
{
	struct iscsi_account *a = account_find(user);
	char *copy;

	if (!a)
		return -ENOENT;
	if (!*password)
		return -EINVAL;
	copy = strdup(password);
	if (!copy)
		return -ENOMEM;
	OPENSSL_cleanse(a->password, strlen(a->password));
	free(a->password);
	a->password = copy;
	return 0;
}

static void unbind_user(struct list *bindings, const char *user)
{
	binding_remove(bindings, user, false);
	binding_remove(bindings, user, true);
}

int iscsi_account_delete(const char *user)
{
	struct iscsi_account *a = account_find(user);

	if (!a)
		return -ENOENT;
	unbind_user(&discovery_accounts, user);
	list_for_each (t, targets(), struct target, link) {
		struct iscsi_target *target = t->transport;

		if (target)
			unbind_user(&target->accounts, user);
	}
	list_del(&a->link);
	account_free(a);
	return 0;
}

static const struct list *bindings_of(const struct iscsi_target *target)
{
	return target ? &target->accounts : &discovery_accounts;
}

static const struct iscsi_binding *outgoing_binding(const struct list *bindings)
{
	list_for_each (b, bindings, struct iscsi_binding, link) {
		if (b->outgoing)
			return b;
	}
	return NULL;
}

int iscsi_account_bind(struct iscsi_target *target, const char *user, bool outgoing)
{
	struct list *bindings = target ? &target->accounts : &discovery_accounts;

	if (!account_find(user))
		return -ENOENT;
	if (outgoing && outgoing_binding(bindings))
		return -EEXIST;
	return binding_add(bindings, user, outgoing);
}

int iscsi_account_unbind(struct iscsi_target *target, const char *user, bool outgoing)
{
	return binding_remove(target ? &target->accounts : &discovery_accounts, user, outgoing);
}

bool access_needs_chap(const struct iscsi_target *target)
{
	list_for_each (b, bindings_of(target), struct iscsi_binding, link) {
		if (!b->outgoing)
			return true;
	}
	return false;
}

const char *access_password(const struct iscsi_target *target, const char *user)
{
	const struct iscsi_account *a = account_find(user);

	return a && binding_find(bindings_of(target), user, false) ? a->password : NULL;
}

const struct iscsi_account *access_outgoing(const struct iscsi_target *target)
{
	const struct iscsi_binding *b = outgoing_binding(bindings_of(target));

	return b ? account_find(b->text) : NULL;
}
