#!/bin/sh
# system_packages.sh STAMP PACKAGE... -- PYTHON
# Installs the Debian/Ubuntu packages that are missing if this user may, else prints the one line that does it. Touches
# STAMP when nothing is missing any more. Fails only where nothing can go on: without Python or what makes .venv.
set -eu

stamp="$1"
shift
wanted=""
while [ "$1" != "--" ]; do
    wanted="$wanted $1"
    shift
done
python="$2"

find_missing() {
    missing=""
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    # Debian splits off what makes .venv, by version; python3-venv is that of the default Python alone.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python$version-venv"
}

finish() {
    mkdir -p "$(dirname "$stamp")"
    touch "$stamp"
    exit 0
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed; '$python' is not. Install python3 or name another: make PYTHON=python3.12 ..." >&2
    exit 1
fi
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
find_missing
[ -n "$missing" ] || finish

install="apt-get update; apt-get install -y --no-install-recommends$missing"
unattended="export DEBIAN_FRONTEND=noninteractive; $install"
if ! command -v apt-get >/dev/null; then
    echo "This system has no apt-get. See that what these Debian packages hold is there:$missing" >&2
    case "$missing" in
        *-venv) exit 1 ;;
    esac
    finish # nothing here can tell later whether they have come
elif [ "$(id -u)" = 0 ]; then
    sh -c "$unattended" || echo "apt-get failed; see above why." >&2
elif sudo -n true 2>/dev/null; then
    sudo -n sh -c "$unattended" || echo "apt-get failed; see above why." >&2
fi

find_missing
[ -n "$missing" ] || finish
echo "These system packages are missing:$missing. An administrator installs them with this line:" >&2
echo "    sudo sh -c 'apt-get update; apt-get install -y --no-install-recommends$missing'" >&2
case "$missing" in
    *-venv)
        echo "Nothing goes without python$version-venv. Run make again when it is there." >&2
        exit 1
        ;;
esac
echo "Going on without them: the program says what it cannot do." >&2
