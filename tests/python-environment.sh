#!/bin/sh
# Make the virtual environment $2 with the interpreter $1 and the packages of the requirements file $3.
# Install Debian's Python with apt when it is missing.
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
wanted=$1
environment=$2
requirements=$3
complete=$environment/.complete
mkdir -p .cache
exec 9>".cache/$environment.lock"
flock 9
# Another process may have made the environment while this one waited for the lock.
if [ -e "$complete" ] && [ -z "$(find requirements meta/ee-requirements.txt -type f -newer "$complete")" ]; then
    exit
fi
# Remove an incomplete environment first: the search for the interpreter could find the one in it.
rm -rf "$environment"
case $wanted in
    python3 | python3.11 | /usr/bin/python3)
        if ! "$wanted" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "python: installing python3 and python3-venv"
            export DEBIAN_FRONTEND=noninteractive
            apt-get update -qq
            apt-get install -y -qq python3 python3-venv
        fi
        ;;
esac
python=$(tests/interpreter.sh "$wanted") || {
    echo "python: $wanted is not on the PATH and not in pyenv. Install it (pyenv install 3.13), or for \
$environment run make $([ "$environment" = .venv ] && echo PYTHON || echo PYTHON_NEWEST)=/path/to/python" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "python: $("$python" --version) is too old for ansible-core 2.19, expected 3.11 or later. Run make PYTHON=python3.11" >&2
    exit 1
}
echo "python: making $environment (about 30 s)"
"$python" -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
echo "python: $environment has $("$environment/bin/ansible" --version | sed -n '1s/.*\[\(.*\)\].*/ansible-\1/p') with $("$python" --version)"
touch "$complete"
