#!/bin/sh
# make down: ends what make up left running. Its files stay for a look.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
dir=${UP_DIR:-$top/var/up}
# shellcheck source=bin/demo/common.sh
. "$here/common.sh"

if [ -d "$dir" ]; then
	stop_all
fi
