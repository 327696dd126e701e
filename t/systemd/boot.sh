#!/bin/sh
# boot.sh DIR: boots systemd as process 1 of a machine of its own: namespaces, an
# overlay of this machine's files on a tmpfs, and what is in DIR/files over them.
# Its units are those of DIR/units and of /usr/local/lib/systemd/system, no
# others, so that this machine's own services stay out of it. The
# process that DIR/unshare names is the parent of process 1, for nsenter(1). Ends, and leaves nothing mounted and no
# control group, when it gets SIGTERM or the machine ends.
#
# Where something that this needs is not to be had, says so in one line on
# standard error and exits 69.
set -u

# What services rest on, from this machine's systemd.
borrowed='basic.target shutdown.target umount.target final.target
	multi-user.target timers.target network-online.target nss-lookup.target
	time-sync.target systemd-journald.service systemd-journald.socket
	systemd-journald-dev-log.socket'

why_not() {
	echo "$*" >&2
	exit 69
}

# ---- The outer half: a control group, and the namespaces ----

outer() {
	dir=$1
	groups=$dir/groups
	mkdir -p "$groups" "$dir/top"
	mount --make-rprivate / 2>/dev/null || why_not "mounts are not permitted"
	mount -t cgroup2 none "$groups" 2>/dev/null ||
		why_not "control groups (cgroup2) cannot be mounted"
	group=$groups/strife-test-$$
	mkdir "$group" 2>/dev/null || why_not "control groups cannot be made"
	machine=
	trap 'finish' EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork \
		--kill-child --uts --ipc --net --cgroup "$2" inner "$3"' \
		boot "$group" "$0" "$dir" &
	machine=$!
	echo "$machine" >"$dir/unshare.new"
	mv "$dir/unshare.new" "$dir/unshare"
	wait "$machine"
	exit $?
}

finish() {
	status=$?
	trap '' TERM INT
	[ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || :
	[ -z "$machine" ] || wait "$machine" 2>/dev/null || :
	# The kernel ends the others of the machine; a group is busy until then.
	tries=0
	until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null ||
		[ ! -d "$group" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || break
		sleep 0.05
	done
	exit "$status"
}

# ---- The inner half: what process 1 needs ----

mount_devices() {
	mount -t tmpfs -o mode=755 none "$1/dev" || return
	mkdir "$1/dev/pts" "$1/dev/shm"
	for device in null zero full random urandom tty; do
		: >"$1/dev/$device"
		mount --bind "/dev/$device" "$1/dev/$device" || return
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none \
		"$1/dev/pts" || return
	ln -s pts/ptmx "$1/dev/ptmx"
	ln -s /proc/self/fd "$1/dev/fd"
	ln -s /proc/self/fd/0 "$1/dev/stdin"
	ln -s /proc/self/fd/1 "$1/dev/stdout"
	ln -s /proc/self/fd/2 "$1/dev/stderr"
	mount -t tmpfs none "$1/dev/shm"
}

inner() {
	dir=$1
	new=$dir/top/new
	mount -t tmpfs none "$dir/top" || why_not "no tmpfs"
	mkdir "$dir/top/upper" "$dir/top/work" "$new"
	cp -a "$dir/files/." "$dir/top/upper/" || why_not "no room for a copy"
	mount -t overlay none -o "lowerdir=/,upperdir=$dir/top/upper" \
		-o "workdir=$dir/top/work" "$new" 2>/dev/null ||
		why_not "no overlay of / can be mounted"
	mount -t proc none "$new/proc" || why_not "no proc"
	mount -t sysfs none "$new/sys" || why_not "no sysfs"
	mount -t cgroup2 none "$new/sys/fs/cgroup" || why_not "no cgroup2"
	mount_devices "$new" || why_not "no devices"
	mount -t tmpfs -o mode=755 none "$new/run"
	mount -t tmpfs -o mode=1777 none "$new/tmp"
	mount -t tmpfs -o mode=755 none "$new/etc/systemd/system"
	for unit in $borrowed; do
		cp "/lib/systemd/system/$unit" "$new/etc/systemd/system/" ||
			why_not "systemd has no $unit"
	done
	cp "$dir/units/"* "$new/etc/systemd/system/"
	mkdir "$new/run/old" "$new/run/no-generators"
	cd "$new" || exit
	pivot_root . run/old || why_not "no pivot_root"
	umount -l /run/old
	exec env -i container=strife-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		SYSTEMD_UNIT_PATH=/etc/systemd/system:/usr/local/lib/systemd/system \
		SYSTEMD_GENERATOR_PATH=/run/no-generators \
		/lib/systemd/systemd --system --unit=machine.target \
		--log-target=journal --show-status=no
}

case $1 in
inner) inner "$2" ;;
*)
	case ${BOOT_STAGE:-} in
	outer) outer "$1" ;;
	*)
		BOOT_STAGE=outer
		export BOOT_STAGE
		exec unshare --mount "$0" "$1"
		;;
	esac
	;;
esac
