/* SPDX-License-Identifier: MIT */
/* IP addresses: in text, and access rules. */
#ifndef TGT_ISCSI_ADDRESS_H
#define TGT_ISCSI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "iscsi/conn.h"

#define ISCSI_PORT 3260

/* An IPv4-mapped IPv6 address becomes the IPv4 one. */
void address_normalise(union address *address);
/* Without port: "10.0.0.1", "fe80::1". */
void address_format(const union address *address, char *out, size_t size);
uint16_t address_port(const union address *address);
/* The same with its port, as in a URL and TargetAddress (RFC 7143 13.8): "10.0.0.1:3260",
 * "[::1]:3260". */
void address_format_port(const union address *address, uint16_t port, char *out, size_t size);
bool address_is_wildcard(const union address *address);

/* ADDR[:PORT], IPv6 in brackets, an empty ADDR or * is any; false: not one. */
bool address_parse_port(const char *text, union address *address);

/* Access rules: ALL, an address, or one with a prefix length. */
bool address_rule_valid(const char *rule);
bool address_rule_matches(const char *rule, const union address *address);

#endif
