#include "client/configure.h"

#include <err.h>
#include <stdlib.h>

#include "base/exitcode.h"

int
configure_read(const struct options *o, struct client_config *config)
{
	struct yaml_error error;
	char *path = client_config_find(o->config);

	if (path == NULL)
		err(EXIT_OSERR, "configuration");
	if (client_config_read(config, path, &error) == -1) {
		warnx("%s", error.text);
		if (o->config == NULL)
			warnx("another configuration is named with -c or "
			      "$STRIFE_PAY_CONFIG");
		free(path);
		return EXIT_CONFIG;
	}
	if (o->verbose)
		warnx("configuration: %s", path);
	free(path);
	return EXIT_OK;
}
