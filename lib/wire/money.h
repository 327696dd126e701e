/*
 * Money: int64 minor units with checked arithmetic, and ISO 4217 currencies
 * with their exponents (decimals). No floating point anywhere.
 */
#ifndef STRIFE_WIRE_MONEY_H
#define STRIFE_WIRE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define MONEY_AMOUNT_MAX INT64_C(1000000000000000)     /* 10^15, one payment */
#define MONEY_BALANCE_MAX INT64_C(1000000000000000000) /* 10^18, any sum */

/* *sum = a + b; false, *sum untouched, on overflow or beyond +-BALANCE_MAX. */
bool money_add(int64_t a, int64_t b, int64_t *sum);
bool money_sub(int64_t a, int64_t b, int64_t *difference);

/* A currency is its three letters packed big-endian: 'C'<<16 | 'Z'<<8 | 'K'. */
#define CURRENCY(a, b, c) \
	((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))
/* False for anything that is not an active ISO 4217 currency code. */
bool currency_parse(uint32_t *currency, struct str text);
void currency_text(uint32_t currency, char into[4]);
/* Decimals: JPY 0, CZK 2, KWD 3, ... CHECKs that the currency is known. */
int currency_exponent(uint32_t currency);

/*
 * Decimal text in the currency's units ("12.50", "12", "-3.10"): strict, no
 * exponent, no grouping. More decimals than the currency has, even zeros, is
 * MONEY_TOO_PRECISE.
 */
enum money_parse { MONEY_OK, MONEY_MALFORMED, MONEY_TOO_PRECISE, MONEY_RANGE };
enum money_parse
money_parse(int64_t *minor, struct str text, uint32_t currency);
/* E.g. "-12.50"; returns the length, without the NUL that is written. */
#define MONEY_TEXT_MAX 32
size_t money_text(int64_t minor, uint32_t currency, char into[MONEY_TEXT_MAX]);

#endif
