/* SPDX-License-Identifier: MIT */
#include "iscsi/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "iscsi/text.h"

void address_normalise(union address *address)
{
	struct in6_addr v6;

	if (address->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
		return;
	v6 = address->in6.sin6_addr;
	/* the port stands at the same place in both */
	address->sa.sa_family = AF_INET;
	memcpy(&address->in.sin_addr, v6.s6_addr + 12, 4);
}

void address_format(const union address *address, char *out, size_t size)
{
	const void *at = address->sa.sa_family == AF_INET6 ? (const void *)&address->in6.sin6_addr
							   : (const void *)&address->in.sin_addr;

	if (!inet_ntop(address->sa.sa_family, at, out, (socklen_t)size))
		snprintf(out, size, "unknown");
}

uint16_t address_port(const union address *address)
{
	return ntohs(address->sa.sa_family == AF_INET6 ? address->in6.sin6_port
						       : address->in.sin_port);
}

void address_format_port(const union address *address, uint16_t port, char *out, size_t size)
{
	bool v6 = address->sa.sa_family == AF_INET6;
	char host[INET6_ADDRSTRLEN];

	address_format(address, host, sizeof(host));
	snprintf(out, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

bool address_is_wildcard(const union address *address)
{
	if (address->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
	return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool parse_host(const char *host, bool v6, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (v6) {
		address->sa.sa_family = AF_INET6;
		return inet_pton(AF_INET6, host, &address->in6.sin6_addr) == 1;
	}
	address->sa.sa_family = AF_INET;
	if (!*host || !strcmp(host, "*"))
		return true; /* INADDR_ANY */
	return inet_pton(AF_INET, host, &address->in.sin_addr) == 1;
}

/* Splits ADDR[:PORT]; host is without brackets. */
static bool split_port(const char *text, char *host, size_t size, bool *v6, const char **port)
{
	const char *end;

	*v6 = text[0] == '[';
	text += *v6;
	end = text + strcspn(text, *v6 ? "]" : ":");
	if ((size_t)(end - text) >= size || (*v6 && *end != ']'))
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = 0;
	end += *v6;
	if (*end && *end != ':')
		return false;
	*port = *end ? end + 1 : NULL;
	return true;
}

bool address_parse_port(const char *text, union address *address)
{
	char host[64];
	uint64_t number = ISCSI_PORT;
	const char *port;
	bool v6;

	if (!split_port(text, host, sizeof(host), &v6, &port) || !parse_host(host, v6, address))
		return false;
	if (port && (!text_number(port, 65535, &number) || !number))
		return false;
	if (v6)
		address->in6.sin6_port = htons((uint16_t)number);
	else
		address->in.sin_port = htons((uint16_t)number);
	return true;
}

struct rule {
	union address address;
	unsigned prefix;
	bool all;
};

static bool parse_rule(const char *text, struct rule *rule)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix;
	char host[64];
	unsigned bits;

	rule->all = !strcmp(text, "ALL");
	if (rule->all)
		return true;
	if (!len || len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = 0;
	if (!strcmp(host, "*") || !parse_host(host, strchr(host, ':') != NULL, &rule->address))
		return false;
	bits = rule->address.sa.sa_family == AF_INET6 ? 128 : 32;
	rule->prefix = bits;
	if (!slash)
		return true;
	if (!text_number(slash + 1, bits, &prefix))
		return false;
	rule->prefix = (unsigned)prefix;
	return true;
}

bool address_rule_valid(const char *text)
{
	struct rule rule;

	return parse_rule(text, &rule);
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & (0xff00u >> bits % 8) & 0xff) == 0;
}

bool address_rule_matches(const char *text, const union address *address)
{
	struct rule rule;

	if (!parse_rule(text, &rule))
		return false;
	if (rule.all)
		return true;
	if (rule.address.sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&rule.address.in6.sin6_addr)) {
		rule.prefix = rule.prefix > 96 ? rule.prefix - 96 : 0;
		address_normalise(&rule.address);
	}
	if (rule.address.sa.sa_family != address->sa.sa_family)
		return false;
	if (address->sa.sa_family == AF_INET6)
		return same_prefix(rule.address.in6.sin6_addr.s6_addr,
				   address->in6.sin6_addr.s6_addr, rule.prefix);
	return same_prefix((const uint8_t *)&rule.address.in.sin_addr,
			   (const uint8_t *)&address->in.sin_addr, rule.prefix);
}
