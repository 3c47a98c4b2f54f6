#!/bin/sh
# Makes the virtual environment $2 with the interpreter $1, installing Python itself by apt where it is missing.
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
python=$1
environment=$2
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "python: installing python3 and python3-venv"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq python3 python3-venv
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "python: $("$python" --version) is too old for ansible-core 2.19; name one of 3.11 or later: make PYTHON=python3.11" >&2
    exit 1
}
echo "python: making $environment (about 30 s)"
rm -rf "$environment"
"$python" -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check -r requirements/dev.txt
