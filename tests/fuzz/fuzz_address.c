/* SPDX-License-Identifier: MIT */
/* Addresses of portals, and access rules. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "iscsi/address.h"

static void portal(const char *text)
{
	char first[80], second[80];
	union address address, again;

	if (!address_parse_port(text, &address))
		return;
	must(address_port(&address));
	address_is_wildcard(&address);
	address_format_port(&address, address_port(&address), first, sizeof(first));
	must(address_parse_port(first, &again));
	address_format_port(&again, address_port(&again), second, sizeof(second));
	must(!strcmp(first, second));
}

static void rule(const char *text, struct fuzz_input *in)
{
	union address peer = {0};
	size_t len;
	const uint8_t *bytes = fuzz_bytes(in, 16, &len);

	peer.sa.sa_family = len == 16 ? AF_INET6 : AF_INET;
	if (len == 16)
		memcpy(&peer.in6.sin6_addr, bytes, 16);
	else if (len >= 4)
		memcpy(&peer.in.sin_addr, bytes, 4);
	address_normalise(&peer);
	if (!address_rule_valid(text))
		must(!address_rule_matches(text, &peer));
	else if (!strcmp(text, "ALL"))
		must(address_rule_matches(text, &peer));
	else
		address_rule_matches(text, &peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *text = fuzz_text(&in, fuzz_byte(&in));

	portal(text);
	rule(text, &in);
	free(text);
	return 0;
}
