#!/bin/sh
# Makes the virtual environment $2 with the interpreter $1 and what the file $3 requires, installing Python itself by apt
# where Debian's is missing.
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
# Whoever has waited for another to make it has it now.
if [ -e "$complete" ] && [ -z "$(find requirements meta/ee-requirements.txt -type f -newer "$complete")" ]; then
    exit
fi
# First, so that no interpreter of a half-made environment is taken for the wanted one.
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
    echo "python: no $wanted on the PATH or among pyenv's: install it (pyenv install 3.13), or name one, for \
$environment by make $([ "$environment" = .venv ] && echo PYTHON || echo PYTHON_NEWEST)=/path/to/python" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "python: $("$python" --version) is too old for ansible-core 2.19; name one of 3.11 or later: make PYTHON=python3.11" >&2
    exit 1
}
echo "python: making $environment (about 30 s)"
"$python" -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
echo "python: $environment has $("$environment/bin/ansible" --version | sed -n '1s/.*\[\(.*\)\].*/ansible-\1/p') with $("$python" --version)"
touch "$complete"
