/*
 * The token that `strife-pay login` keeps: $XDG_STATE_HOME/strife/token (else
 * ~/.local/state/strife/token), mode 0600, a YAML map of the members below
 * (strife-pay(1), FILES). One token: a later login takes an earlier one's
 * place. Blocks on files.
 */
#ifndef STRIFE_CLIENT_TOKEN_FILE_H
#define STRIFE_CLIENT_TOKEN_FILE_H

#include <stdint.h>

#include "base/address.h"
#include "base/yaml.h"
#include "wire/account.h"
#include "wire/msg.h"
#include "wire/time.h"

struct token_file {
	char user[ACCOUNT_MAX_LEN + 1]; /* NAME, or NAME@BANK */
	char node[NODE_MAX_LEN + 1];    /* of the gateway that gave it */
	char gateway[ADDRESS_SIZE];     /* and its address */
	char expires[TIME_TEXT_LEN + 1];
	uint8_t certificate[32]; /* the thumbprint that it is good with */
	char token[TOKEN_MAX_LEN + 1];
};

enum token_found {
	TOKEN_FOUND,
	TOKEN_NONE,   /* there is no such file */
	TOKEN_UNSAFE, /* found, but others can read it: *error is filled */
	TOKEN_WRONG,  /* cannot be read, or is no such file; likewise */
};

/* A token is a secret: wipe *token (explicit_bzero) after use. */
enum token_found token_file_read(struct token_file *, struct yaml_error *error);
/* Durably, whole or not at all: 0, or -1 with *error filled. */
int token_file_write(const struct token_file *, struct yaml_error *error);
/* 0, also where there was none; -1 with *error filled. */
int token_file_remove(struct yaml_error *error);

#endif
