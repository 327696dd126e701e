#include "wire/internal.h"

#define LETTER (OCTET_PLAIN | OCTET_TAG | OCTET_NAME | OCTET_BANK | OCTET_WORD)

/* Octets that are not named here may stand nowhere but between fields. */
const uint8_t octet_class[256] = {
    ['!' ... '$'] = OCTET_PLAIN,
    ['&' ... ','] = OCTET_PLAIN,
    ['-'] = OCTET_PLAIN | OCTET_NAME | OCTET_BANK | OCTET_WORD,
    ['.'] = OCTET_PLAIN | OCTET_NAME,
    ['/'] = OCTET_PLAIN,
    ['0' ... '9'] = LETTER | OCTET_KEY | OCTET_HEX,
    [':' ... '@'] = OCTET_PLAIN,
    ['A' ... 'F'] = LETTER | OCTET_UPPER | OCTET_HEX,
    ['G' ... 'Z'] = LETTER | OCTET_UPPER,
    ['[' ... '^'] = OCTET_PLAIN,
    ['_'] = OCTET_PLAIN | OCTET_UPPER | OCTET_KEY | OCTET_NAME | OCTET_WORD,
    ['`'] = OCTET_PLAIN,
    ['a' ... 'z'] = LETTER | OCTET_KEY,
    ['{' ... '~'] = OCTET_PLAIN,
};
