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

# Empty, unless the clone itself lies there: then a layer over it, as hosts of the lab lay theirs, which see no mounts
# below what they copy.
lay_tmp() {
    case $repository in
        /tmp/*)
            mkdir /run/upper /run/work && chmod 1777 /run/upper &&
                mount -n -t overlay -o lowerdir=/tmp,upperdir=/run/upper,workdir=/run/work overlay /tmp
            ;;
        *) mount -n -t tmpfs -o mode=1777 tmpfs /tmp ;;
    esac
}

prepare() {
    mount -n -t proc proc /proc &&
        mount -n -t sysfs sysfs /sys &&
        mount -n -t devtmpfs devtmpfs /dev &&
        mkdir -p /dev/pts /dev/shm &&
        mount -n -t devpts devpts /dev/pts &&
        mount -n -t tmpfs -o mode=1777 tmpfs /dev/shm &&
        mount -n -t tmpfs -o mode=755 tmpfs /run &&
        lay_tmp &&
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
