#!/bin/sh
# Print the path of the Python interpreter $1 (a name such as python3.13, or a path). Search the PATH, then pyenv's versions.
# Fail without a message when no such interpreter runs: pyenv may have a shim without its Python.
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
for candidate in "$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/"$1"; do
    if "$candidate" -c '' 2>/dev/null; then
        command -v "$candidate"
        exit
    fi
done
exit 1
