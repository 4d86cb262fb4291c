#!/bin/sh
# system_packages.sh PACKAGE... -- PYTHON
# Installs the Debian/Ubuntu packages that are missing if this user may, else prints the one line that does it.
set -eu

missing=""
while [ "$1" != "--" ]; do
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q "ok installed" || missing="$missing $1"
    shift
done
python="$2"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed; '$python' is not. Install python3 or name another: make PYTHON=python3.12 ..." >&2
    exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0

install="apt-get update && apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
    echo "This system has no apt-get. Install what these Debian packages hold:$missing" >&2
elif [ "$(id -u)" = 0 ]; then
    DEBIAN_FRONTEND=noninteractive sh -c "$install"
    exit 0
elif sudo -n true 2>/dev/null; then
    sudo -n DEBIAN_FRONTEND=noninteractive sh -c "$install"
    exit 0
else
    echo "Some system packages are missing. Run this once as administrator, then make again:" >&2
    echo "    sudo sh -c '$install'" >&2
fi
case "$missing" in
    *python3-venv*) exit 1 ;;  # nothing goes without it
esac
# Without the others the program runs and says what it cannot do.
