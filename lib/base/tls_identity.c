#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/str.h"
#include "base/tls.h"

#define BANK_NAME_MAX 32

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* PROTOCOL section 1: CERTNAME and NODE. */
static bool
is_name(struct str name)
{
	if (name.len < 1 || name.len > TLS_NAME_MAX)
		return false;
	for (uint32_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

static bool
is_bank_name(struct str name)
{
	if (name.len < 1 || name.len > BANK_NAME_MAX || !is_letter(name.at[0]))
		return false;
	for (uint32_t i = 1; i < name.len; i++) {
		char c = name.at[i];

		if (!is_letter(c) && !is_digit(c) && c != '-')
			return false;
	}
	return true;
}

static bool
identity_from_uri(struct str uri, struct tls_identity *identity)
{
	static const struct {
		struct str prefix;
		enum tls_role role;
		bool (*valid)(struct str);
	} forms[] = {
	    {{"strife://client/", 16}, TLS_ROLE_CLIENT, is_name},
	    {{"strife://bank/", 14}, TLS_ROLE_BANK, is_bank_name},
	    {{"strife://gateway/", 17}, TLS_ROLE_GATEWAY, is_name},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct str prefix = forms[i].prefix, name;

		if (uri.len <= prefix.len ||
		    memcmp(uri.at, prefix.at, prefix.len) != 0)
			continue;
		name.at = uri.at + prefix.len;
		name.len = uri.len - prefix.len;
		if (!forms[i].valid(name))
			return false;
		identity->role = forms[i].role;
		return str_copy(identity->name, sizeof(identity->name), name);
	}
	return false;
}

/* The one URI among the names; false where there is none or a second. */
static bool
only_uri(const GENERAL_NAMES *names, struct str *uri)
{
	int found = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		int len;

		if (name->type != GEN_URI)
			continue;
		len = ASN1_STRING_length(name->d.uniformResourceIdentifier);
		if (++found > 1 || len < 0)
			return false;
		uri->at = (const char *)ASN1_STRING_get0_data(
		    name->d.uniformResourceIdentifier);
		uri->len = (uint32_t)len;
	}
	return found == 1;
}

bool
tls_identify(void *x509, struct tls_identity *identity)
{
	struct tls_identity result = {.role = TLS_ROLE_NONE};
	GENERAL_NAMES *names;
	struct str uri = STR_NONE;
	bool found;

	/* NULL too where the extension is there twice or does not parse. */
	names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	if (names == NULL) {
		ERR_clear_error();
		return false;
	}
	found = only_uri(names, &uri) && identity_from_uri(uri, &result) &&
	    X509_digest(x509, EVP_sha256(), result.thumbprint, NULL) == 1;
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (found)
		*identity = result;
	return found;
}
