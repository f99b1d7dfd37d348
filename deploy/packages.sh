#!/bin/sh
# Makes sure Debian packages are there: installs the missing ones as root, else says which command would.
# usage: deploy/packages.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "These Debian packages are needed, and this machine has no apt-get; install their equivalents:$missing" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "Packages are missing. Run:  sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "The package lists could not be refreshed; trying with those at hand." >&2
# shellcheck disable=SC2086  # a list of package names, one word each
apt-get install -y -qq --no-install-recommends $missing >/dev/null
