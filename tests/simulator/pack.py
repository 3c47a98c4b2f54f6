# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pack the simulator: one executable file that needs only Python 3.9 or later, and a release tarball with this file.

The executable is a Python zip application with its pure-Python dependencies. protoc compiles the messages of protos/ into the
archive; no generated file is in the tree. Archives are reproducible: the same sources and the same Python give the same bytes.
This module makes an archive again only after its sources change.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROTOS = ROOT / "protos"
# One folder for each Python version: two versions in parallel would replace each other's files.
OUTPUT = ROOT / ".cache" / "simulator" / (sys.implementation.cache_tag or "python")
DEFAULT_VERSION = "0.11.0-sim"

# Versions that run on Python 3.9 and exist as pure wheels.
REQUIREMENTS = ("h2==4.3.0", "hpack==4.1.0", "hyperframe==6.1.0", "protobuf==6.33.6")
# PyYAML has no pure wheel. Its Python files are the same for every Python, so they come from the packing environment.
YAML = Path(yaml.__file__).parent

# Variants and architectures of a release. The zip application runs on all of them: one file four times.
BINARIES = tuple(f"bin/banyand-server-{kind}-linux-{arch}" for kind in ("static", "slim") for arch in ("amd64", "arm64"))
NOTICE = """This is not BanyanDB.

These files are a simulator of banyand-server {version}, made for the tests of the Ansible collection
skywalking.banyandb. It shows how the server discovers other nodes, and what becomes of written points while servers
are stopped and started. It is no database.
"""

_MAIN = "from banyand.main import main\n\nmain()\n"
_SHEBANG = b"#!/usr/bin/env python3\n"
_COMPILE = """
import py_compile, sys
for number, name in enumerate(sys.argv[2:]):
    source = f"{sys.argv[1]}/{number}.py"
    py_compile.compile(source, source + "c", dfile=name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


class PackError(Exception):
    """The simulator cannot be packed. The message has the reason and the next step."""


def executable(version=DEFAULT_VERSION):
    """Return the path of an executable banyand-server of this version. Raises PackError."""
    _check_version(version)
    with _locked():
        return _executable(version)


def tarball(version=DEFAULT_VERSION, output=OUTPUT):
    """Return the path of the release tarball. Its .sha512 is in the same directory. Raises PackError."""
    _check_version(version)
    output = Path(output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    with _locked():
        server = _executable(version)
        path = output / f"skywalking-banyandb-{version}-banyand.tgz"
        data = _tar(version, server.read_bytes())
        _replace(path, data)
        digest = hashlib.sha512(data).hexdigest()
        _replace(path.with_name(path.name + ".sha512"), f"{digest}  {path.name}\n".encode())
    return path


def _check_version(version):
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+-]*", version):
        raise PackError(f"version {version!r}: expected letters, digits, '.', '+' and '-', such as {DEFAULT_VERSION}")


@contextlib.contextmanager
def _locked():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with open(OUTPUT / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path, data, mode=0o644):
    """Write a file atomically and keep a file with the same content."""
    if path.is_file() and path.read_bytes() == data:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(data)
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def _sources():
    files = [*sorted((HERE / "banyand").rglob("*.py")), *sorted(PROTOS.rglob("*.proto"))]
    return [(path.relative_to(ROOT).as_posix(), path) for path in files]


def _key(version):
    """Return a digest of all sources of the executable."""
    key = hashlib.sha256(repr((version, REQUIREMENTS, yaml.__version__, MAGIC_NUMBER)).encode())
    for name, path in [*_sources(), ("pack.py", HERE / "pack.py")]:
        key.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return key.hexdigest()


def _executable(version):
    directory = OUTPUT / version
    path, stamp = directory / "banyand-server", directory / "key"
    key = _key(version)
    if path.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return path
    directory.mkdir(parents=True, exist_ok=True)
    members = {"__main__.py": _MAIN.encode(), "banyand/VERSION": version.encode()}
    members["banyand/descriptors.binpb"] = _descriptors()
    for source in sorted((HERE / "banyand").rglob("*.py")):
        members[source.relative_to(HERE).as_posix()] = source.read_bytes()
    members.update(_dependencies())
    members["google/__init__.py"] = b""  # zipimport needs it to find packages
    _replace(path, _SHEBANG + _zip(members), 0o755)
    _replace(stamp, key.encode())
    return path


def _run(what, command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise PackError(f"{what} failed:\n{done.stdout}")


def _descriptors():
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "descriptors.binpb"
        protos = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTOS), "--include_imports"]
        _run("compiling protos/ (needs grpcio-tools)", [*command, f"--descriptor_set_out={target}", *protos])
        return target.read_bytes()


def _dependencies():
    """Return the files of the libraries: path in the archive -> content."""
    wheels = OUTPUT / ("lib-" + hashlib.sha256(repr(REQUIREMENTS).encode()).hexdigest()[:12])
    if not wheels.is_dir():
        with tempfile.TemporaryDirectory(dir=OUTPUT) as work:
            target = Path(work) / "lib"
            pure = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.9"]
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", *pure, "--target", str(target)]
            _run(f"installing {', '.join(REQUIREMENTS)} with pip", [*command, *REQUIREMENTS])
            shutil.move(str(target), str(wheels))
    wanted = re.compile(r".*\.py|.*\.dist-info/(?:.*/)?(?:LICENSE|COPYING).*")
    files = {path.relative_to(wheels).as_posix(): path for path in wheels.rglob("*") if path.is_file()}
    files.update({f"yaml/{path.name}": path for path in YAML.glob("*.py")})
    return {name: path.read_bytes() for name, path in files.items() if wanted.fullmatch(name)}


def _compiled(sources):
    """Return byte code that this Python loads without the source. Other Python versions compile the source.

    A separate process makes the byte code, because byte code depends on the other contents of the process's memory.
    """
    with tempfile.TemporaryDirectory() as work:
        for number, source in enumerate(sources.values()):
            Path(work, f"{number}.py").write_bytes(source)
        _run("compiling the simulator", [sys.executable, "-I", "-c", _COMPILE, work, *sources])
        return {f"{name}c": Path(work, f"{number}.pyc").read_bytes() for number, name in enumerate(sources)}


def _zip(members):
    members = {**members, **_compiled({name: data for name, data in sorted(members.items()) if name.endswith(".py") and name != "__main__.py"})}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tar(version, server):
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        notice = NOTICE.format(version=version).encode()
        _member(archive, "LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644)
        _member(archive, "README.md", notice, 0o644)
        for name in BINARIES:
            _member(archive, name, server, 0o755)
    return buffer.getvalue()


def _member(archive, name, data, mode):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), mode, 0
    archive.addfile(info, io.BytesIO(data))
