#!/bin/sh
# new_root.sh ROOT BYTES FILES PATH... -- COMMAND...
# Runs a command that sees PATHs, read-only, and an empty file system of its own; nothing else of this machine.
# Started by unshare in a mount, network and process namespace of its own, as root of a user namespace.
set -eu
root=$1 bytes=$2 files=$3
shift 3
mount -t tmpfs -o "size=$bytes,nr_inodes=$files,mode=755" tmpfs "$root"

# Options that the system has set may not be dropped when a mount is made read-only.
locked() {
    for option in $(findmnt -n -o VFS-OPTIONS -T "$1" | tr ',' ' '); do
        case $option in nosuid | nodev | noexec | noatime | nodiratime | relatime) printf ',%s' "$option" ;; esac
    done
}

show() { # PATH MODE
    if [ -L "$1" ]; then
        mkdir -p "$root$(dirname "$1")"
        ln -s "$(readlink "$1")" "$root$1"
        return
    elif [ -d "$1" ]; then
        mkdir -p "$root$1"
    else
        mkdir -p "$root$(dirname "$1")"
        : >"$root$1"
    fi
    mount --bind "$1" "$root$1"
    [ "$2" = rw ] || mount -o "remount,bind,ro$(locked "$1")" "$root$1"
}

while [ "$1" != -- ]; do
    show "$1" ro
    shift
done
shift
for device in null zero random urandom; do show "/dev/$device" rw; done
mkdir -p "$root/proc" "$root/tmp" "$root/dev/shm" "$root/submission" "$root/.old"
mount -t proc proc "$root/proc" 2>/dev/null || true # forbidden in some containers; Python runs without
# What is in here shall not become root of a namespace of its own, where it could mount again.
echo 0 2>/dev/null >"$root/proc/sys/user/max_user_namespaces" || true
cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old
cd /submission
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
