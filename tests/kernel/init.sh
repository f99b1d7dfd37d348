#!/bin/sh
# The first process of a user-mode Linux whose files are this machine's, read-only: runs the tests named and says how
# they ended, as the last line. usage: init.sh REPOSITORY PATH...
repository=$1
shift
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/tmp
LANG=C.UTF-8
PYTHONDONTWRITEBYTECODE=1
export PATH HOME LANG PYTHONDONTWRITEBYTECODE

prepare() {
    mount -n -t proc proc /proc &&
        mount -n -t sysfs sysfs /sys &&
        mount -n -t devtmpfs devtmpfs /dev &&
        mkdir -p /dev/pts /dev/shm &&
        mount -n -t devpts devpts /dev/pts &&
        mount -n -t tmpfs -o mode=1777 tmpfs /dev/shm &&
        mount -n -t tmpfs -o mode=755 tmpfs /run &&
        mount -n --bind "$repository" /mnt &&
        mount -n -t tmpfs -o mode=1777 tmpfs /tmp &&
        # A clone may lie under /tmp, which has just been covered.
        mkdir -p "$repository" &&
        mount -n --bind /mnt "$repository" &&
        ln -s /proc/self/fd/0 /dev/stdin &&
        ln -s /proc/self/fd/1 /dev/stdout &&
        ln -s /proc/self/fd/2 /dev/stderr &&
        ln -s /proc/self/fd /dev/fd &&
        hostname kernel &&
        ip link set lo up &&
        # Whatever would fall back to WireGuard in user space has to fail here.
        mount -n --bind /bin/false "$(command -v wireguard-go)" &&
        ip link add dev probe type wireguard &&
        ip link delete dev probe
}

prepare && cd "$repository" && .venv/bin/python -m pytest -q --color=no -p no:cacheprovider "$@" </dev/null
echo "Linux $(uname -r) ended with $?"
sync
exec .venv/bin/python -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
