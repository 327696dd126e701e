/*
 * The certificates that a running daemon uses: its own with its key, the CA's,
 * the revocation list. Read at the start; read again at SIGHUP, put in the
 * place of the old ones if all of them are good; and looked at from time to
 * time, for what was good once comes to its end. A list that has ended makes
 * every handshake fail (X.509 path validation, RFC 5280 section 6.3: a
 * revocation status that cannot be told is not a good one); the log says so.
 */
#ifndef STRIFE_TURN_CERTIFICATES_H
#define STRIFE_TURN_CERTIFICATES_H

#include <stddef.h>
#include <stdint.h>

#include "base/conn.h"
#include "base/loop.h"
#include "base/tls.h"
#include "turn/settings.h"

struct certificates {
	struct tls *tls;
	uint32_t generation; /* counts the sets that were put in place */
	struct loop *loop;   /* NULL: nobody looks at them */
	struct timer look;
};

/*
 * The first set: ours must be that of the role and name. 0, or -1 with error
 * filled for people.
 */
int certificates_read(struct certificates *, const struct settings *,
    enum tls_role, const char *name, char *error, size_t error_size);
/* From now on the log tells what has ended, once an hour. */
void certificates_watch(struct certificates *, struct loop *);
/*
 * Reads another set, of the same role and name, and uses it from here on. 0,
 * or -1 with error filled and the old one still in use. Connections stay as
 * they are: see certificates_reject.
 */
int certificates_reload(struct certificates *, const struct settings *,
    char *error, size_t error_size);
/* Would the set in use accept this peer, who is connected? NULL, or why not. */
const char *
certificates_reject(const struct certificates *, const struct conn *);
void certificates_free(struct certificates *);

#endif
