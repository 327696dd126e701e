/*
 * The users file (strife-users(5)): users.yaml at a gateway, customers.yaml at
 * a bank. Read as a whole and checked before anything of it is used. Known to
 * strife-authd alone, since it holds password hashes; they are wiped when it
 * is freed.
 */
#ifndef STRIFE_AUTH_USERS_H
#define STRIFE_AUTH_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/yaml.h"

#define USERS_MAX (1u << 20)
#define USERS_LIST_MAX 256 /* entries of one list of one user */
/*
 * Octets that a user's accounts and acts_for take as elements of JSON arrays:
 * with these a token stays within 3,072 (PROTOCOL.md section 7).
 */
#define USERS_TOKEN_LISTS_MAX 1792

struct users;

struct user {
	char *name;
	char *password; /* a crypt(3) string, or NULL */
	struct yaml_list certificates;
	char *roles, *accounts, *acts_for; /* comma-separated, "" if none */
};

/*
 * local: a bank's customers, each with the one account that he has there, NAME
 * without @BANK, and no acts_for. 0, or -1 with *error filled.
 */
int users_open(
    struct users **, const char *path, bool local, struct yaml_error *error);
/* May group or others use the file, though it holds password hashes? */
bool users_exposed(const char *path);
void users_free(struct users *);
uint32_t users_count(const struct users *);
const struct user *users_find(const struct users *, struct str name);

/*
 * The user whose password this is, NULL if none. An unknown user, or one
 * without a password, costs as much time as the first of the file.
 */
const struct user *
users_password(const struct users *, struct str name, struct str password);
/* The user whose entry lists this certificate, NULL if none. */
const struct user *users_certificate(
    const struct users *, struct str name, struct str certificate);

#endif
