#!/bin/sh
# browser.sh STAMP PYTHON VENV_PYTHON
# Sees that the browser tests have a browser: one that is there, or Debian's, or playwright's own. Touches STAMP when
# there is one; without one the tests say so themselves.
set -eu

stamp="$1"
python="$2"
venv_python="$3"

finish_if_there() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        # Ubuntu's chromium-browser may be a script that only asks for a snap: what does not run does not count.
        if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
            touch "$stamp"
            exit 0
        fi
    done
}

finish_if_there
distribution="$(. /etc/os-release 2>/dev/null && echo "${ID:-}" || true)"
if [ "$distribution" != ubuntu ]; then # there Chromium comes as a snap only
    sh .ci/system_packages.sh "$stamp.apt" chromium -- "$python"
    rm -f "$stamp.apt"
    finish_if_there
fi

with_deps=""
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    with_deps="--with-deps"
fi
if "$venv_python" -m playwright install $with_deps chromium; then
    touch "$stamp"
    [ -n "$with_deps" ] || echo "If it does not start: sudo $venv_python -m playwright install-deps chromium" >&2
else
    echo "There is no browser for the browser tests, and none could be installed. Install Chromium or Google Chrome." >&2
fi
