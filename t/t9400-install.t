#!/bin/sh
# make install puts everything where the GNU directory variables say, what was
# installed works from there, and make uninstall leaves nothing behind.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
STRIFE_BIN=${STRIFE_BIN:-$top/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/strife-install.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
count=0

# check WORDS COMMAND...: one test, which passes where the command does.
check() {
	words=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/said" 2>&1; then
		echo "ok $count - $words"
	else
		echo "not ok $count - $words"
		sed 's/^/# /' "$work/said"
	fi
}

# What is built is installed; nothing is built here, whatever the compiler was.
run_make() {
	make -C "$top" -s -o all out="$STRIFE_BIN" DESTDIR="$work/root" \
		PREFIX=/opt/strife "$@"
}

check 'make install' run_make install
at=$work/root/opt/strife
for program in bin/strife-pay bin/strife-queue bin/strife-journal bin/strife-bench \
	sbin/strife-gatewayd sbin/strife-bankd sbin/strife-teller sbin/strife-ctl sbin/strife-ca; do
	check "$program runs from there" "$at/$program" -V
done
check 'strife-authd is in libexec' "$at/libexec/strife-authd" -V
for page in "$top"/man/*.[1578]; do
	check "${page##*/} is installed" \
		test -r "$at/share/man/man${page##*.}/${page##*/}"
done
for program in pay queue ctl teller journal; do
	check "what bash and zsh complete of strife-$program is installed" \
		test -r "$at/share/bash-completion/completions/strife-$program" \
		-a -r "$at/share/zsh/site-functions/_strife-$program"
done
for sample in "$top"/etc/strife/*.yaml; do
	check "${sample##*/} is installed as a sample" \
		test -r "$at/etc/strife/${sample##*/}.sample"
done

units=$at/lib/systemd/system
for unit in "$top"/systemd/*.service.in "$top"/systemd/*.timer \
	"$top"/systemd/*.target; do
	name=${unit##*/}
	check "${name%.in} is installed" test -r "$units/${name%.in}"
done
check 'the users of the services are installed' \
	test -r "$at/lib/sysusers.d/strife.conf"
check 'and so are their directories' test -r "$at/lib/tmpfiles.d/strife.conf"
# none PATTERN FILE...: no line matches.
none() {
	! grep -nE -- "$@"
}
check 'nothing is left to be filled in' \
	none '@[a-z]+@' "$units"/* "$at/lib/tmpfiles.d/strife.conf"
check 'units name the programs where they are' \
	grep -q '^ExecStart=/opt/strife/sbin/strife-bankd ' \
	"$units/strife-bankd@.service"
check 'and configurations where they are' \
	grep -q '^ConditionPathExists=/opt/strife/etc/strife/gatewayd.yaml$' \
	"$units/strife-gatewayd.service"
for unit in "$units"/*.service; do
	check "${unit##*/} has the sandbox" \
		grep -q '^SystemCallFilter=@system-service$' "$unit"
done
check 'installed samples name no place of a checkout' \
	none '\.\./' "$at"/etc/strife/*.sample

"$at/sbin/strife-ca" -d "$work/certs" init >/dev/null 2>&1
"$at/sbin/strife-ca" -d "$work/certs" issue gateway gw1 >/dev/null 2>&1
(umask 077 && echo 'users: {}' >"$work/users.yaml")
cat >"$work/gatewayd.yaml" <<EOF
node: gw1
listen: {clients: "127.0.0.1:0", banks: "127.0.0.1:0"}
tls: {ca: certs/ca.crt, cert: certs/gw1.crt, key: certs/gw1.key}
journal: {dir: gatewayd}
sessions: {users: users.yaml}
control: control
EOF
check 'an installed gateway finds strife-authd' \
	"$at/sbin/strife-gatewayd" -t -c "$work/gatewayd.yaml"
check 'make uninstall' run_make uninstall
check 'leaves no file behind' \
	test -z "$(find "$work/root" -type f)"
check 'nor its directory of samples' test ! -e "$at/etc/strife"
# What somebody configured is his.
mkdir -p "$at/etc/strife" && echo 'node: gw1' >"$at/etc/strife/gatewayd.yaml"
check 'make uninstall again' run_make uninstall
check 'keeps what was configured' test -r "$at/etc/strife/gatewayd.yaml"
echo "1..$count"
