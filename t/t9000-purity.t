#!/bin/sh
# The two cores are pure, and includes point downwards (ARCHITECTURE.md, "Who
# may include whom"). $STRIFE_BUILD is where the objects are.
build=${STRIFE_BUILD:-.build/gcc}
count=0
failed=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/purity.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
found=$scratch/found

# ok STATUS WHAT: STATUS 0 passes.
ok() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=1
	fi
}

# nothing WHAT: passes if $found is empty, and shows what is in it.
nothing() {
	[ ! -s "$found" ]
	ok $? "$1"
	sed 's/^/#  /' "$found"
}

# ---- Symbols ----

# What of libc does no more than compute and take memory, as itself and as
# _FORTIFY_SOURCE and the sanitizers call it.
allowed='^(mem(chr|cmp|cpy|move|rchr|set)|str(chr|cmp|len|ncmp|nlen|rchr|str)'
allowed="$allowed|snprintf|vsnprintf|calloc|free|qsort|check_failed"
allowed="$allowed|__(mem(cpy|move|set)|snprintf|vsnprintf)_chk"
allowed="$allowed|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
allowed="$allowed|__(asan|ubsan|lsan)_.*)\$"
# Below the cores a buffer grows, and the shells' share of it wipes secrets.
below_too='^(realloc|malloc|__errno_location|strlc(at|py)'
below_too="$below_too|mapping_(new|free)|(__)?explicit_bzero(_chk)?|id_(named|from_key|generate))\$"

# objects SOURCE...: where their objects lie.
objects() {
	for source; do
		echo "$build/${source%.c}.o"
	done
}

# defined OBJECT...: what others may call.
defined() {
	nm -g --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u
}

# wanted OBJECT...: what they call that they do not define among themselves.
wanted() {
	defined "$@" >"$scratch/own"
	nm -g --undefined-only "$@" | awk 'NF == 2 { print $2 }' | sort -u |
	    comm -23 - "$scratch/own"
}

# The pure part of what lies below. id_make.c hashes, so it is not of it.
pure=$(objects lib/base/hash.c lib/base/table.c lib/base/hex.c lib/base/buffer.c
    for file in lib/wire/*.c; do
	    [ "$file" = lib/wire/id_make.c ] || objects "$file"
    done)
# shellcheck disable=SC2086
defined $pure >"$scratch/pure"
[ -s "$scratch/pure" ]
ok $? "there are objects in $build"

for core in ledger coord; do
	# shellcheck disable=SC2046
	set -- $(objects lib/$core/*.c)
	[ "$(defined "$@" | grep -c "^${core}_step\$")" -eq 1 ]
	ok $? "lib/$core has its step"
	wanted "$@" | comm -23 - "$scratch/pure" |
	    grep -Ev "$allowed" >"$found"
	nothing "lib/$core calls nothing but memory, text and pure code"
	# Constants that hold addresses are written once, by the loader.
	nm -f sysv "$@" | awk -F '|' '$3 ~ /[bBdDC]/ && $7 !~ /rel\.ro/ &&
	    $1 !~ /^(__|\.L)/ { print $1 }' >"$found"
	nothing "lib/$core keeps nothing outside of what it is given"
done
# shellcheck disable=SC2086
wanted $pure | grep -Ev "$allowed" | grep -Ev "$below_too" >"$found"
nothing "nor does the code below them call anything else"

# ---- Includes ----

# includes FILE...: FILE "what" of each line that includes.
includes() {
	grep -H '^[ 	]*#[ 	]*include' "$@" /dev/null |
	    sed 's/:[ 	]*#[ 	]*include[ 	]*/ /'
}

# may_include LIBRARY OTHER...: besides its own headers.
may_include() {
	library=$1
	shift
	may=$library
	for name; do
		may="$may|$name"
	done
	includes lib/"$library"/*.[ch] | grep '"' |
	    grep -Ev " \"($may)/[a-z_0-9]+\.(h|def)\"" >"$found"
	nothing "lib/$library includes its own${1:+ and $*}, no more"
}

may_include base
may_include wire base
may_include journal wire base
may_include ledger wire base
may_include coord wire base
may_include turn journal wire base
may_include auth wire base
may_include client wire base
for dir in lib/*/; do basename "$dir"; done |
    grep -Evx 'base|wire|journal|ledger|coord|turn|auth|client' >"$found"
nothing "there is no library that this test does not know"

for core in ledger coord; do
	includes lib/$core/*.[ch] | grep '"base/' | grep -Ev \
	    '"base/(check|str|hash|table|hex|buffer|version)\.h"' >"$found"
	nothing "lib/$core includes no header of base that does I/O"
	includes lib/$core/*.[ch] | grep '<' | grep -Ev \
	    '<(std(arg|bool|def|int|io|lib)|string|inttypes|limits|errno)\.h>' |
	    grep -Ev '<(bsd/)?sys/(queue|tree)\.h>' >"$found"
	nothing "lib/$core includes no system header but C's own and lists"
done

# Libraries are named by their folder; a program's own headers are not.
libraries='base|wire|journal|ledger|coord|turn|auth|client'
for dir in bin/*/; do
	program=$(basename "$dir")
	set -- "$dir"*.c
	[ -e "$1" ] || continue
	includes "$dir"*.[ch] | grep '"' |
	    grep -Ev " \"(($libraries)/)?[a-z_0-9]+\.(h|def)\"" >"$found"
	includes "$dir"*.[ch] | grep '"' | sed 's/^[^ ]* "//; s/"$//' |
	    grep -v / | while read -r header; do
		    [ -e "$dir$header" ] || echo "$header"
	    done >>"$found"
	includes "$dir"*.[ch] |
	    grep '/private\.h"\|/internal\.h"\|\.c"' >>"$found"
	nothing "bin/$program includes no other program, and no inside"
done

# ---- Each dependency in one place ----

# only HEADER WHERE: a regular expression of files.
only() {
	includes lib/*/*.[ch] bin/*/*.[ch] | grep "<$1" |
	    grep -Ev "^($2) " >"$found"
	nothing "<$1...> only where it belongs"
}

only 'openssl/' 'lib/base/(tls|conn|stream|digest)[a-z_]*\.[ch]|lib/auth/.*'
only 'yaml\.h>' 'lib/base/yaml\.c'
only 'crypt\.h>' 'lib/auth/.*'

# ---- The Makefile is the map ----

for source in lib/*/*.c bin/*/*.c t/sim/*.c t/fuzz/*.c; do
	case $source in
	lib/*) list=lib_$(basename "$(dirname "$source")") ;;
	bin/*) list=bin_$(basename "$(dirname "$source")") ;;
	t/fuzz/*) list=fuzz ;;
	*) list=sim ;;
	esac
	sed -n "/^$list = /,/[^\\\\]\$/p" Makefile | tr -s '[:blank:]' '\n' |
	    grep -qx "$(basename "$source" .c)" || echo "$source"
done >"$found"
nothing "every source stands in the Makefile's lists"

echo "1..$count"
exit $failed
