# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""artifact: the controller verifies a release tarball before it uses any part."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import artifact
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.artifact import ArtifactError
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, locked

NAME = "skywalking-banyandb-0.11.0-banyand.tgz"
MEMBERS = {
    "bin/banyand-server-static-linux-amd64": b"static amd64",
    "bin/banyand-server-slim-linux-amd64": b"slim amd64",
    "bin/banyand-server-static-linux-arm64": b"static arm64",
    "bin/banyand-backup-static-linux-amd64": b"backup",
    "LICENSE": b"",
}


def no_network(url):
    raise AssertionError(f"{url} was asked for")


def packed(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = hashlib.sha512(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha512").write_text(f"{digest}  {path.name}\n")
    return digest


@pytest.fixture
def tarball(tmp_path):
    path = tmp_path / NAME
    packed(path, MEMBERS)
    return path


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def take(tarball, cache, checksum=None, architecture="amd64", flavor="static", opener=no_network):
    return artifact.program(str(tarball), checksum or f"{tarball}.sha512", architecture, flavor, cache, opener)


def content(program):
    with open(program.path, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize(("architecture", "flavor"), [("amd64", "static"), ("amd64", "slim"), ("arm64", "static")])
def test_the_one_program_of_the_host_is_taken(tarball, cache, architecture, flavor):
    program = take(tarball, cache, architecture=architecture, flavor=flavor)
    assert content(program) == f"{flavor} {architecture}".encode()
    assert program.sha256 == hashlib.sha256(content(program)).hexdigest()
    assert program.artifact_sha512 == hashlib.sha512(tarball.read_bytes()).hexdigest()


def test_a_second_host_costs_no_second_unpacking(tarball, cache, monkeypatch):
    first = take(tarball, cache)
    monkeypatch.setattr(artifact, "_unpack", no_network)
    monkeypatch.setattr(artifact, "_digest", no_network)
    assert take(tarball, cache) == first


def test_another_content_under_the_same_name_is_taken_again(tarball, cache):
    take(tarball, cache)
    packed(tarball, {"bin/banyand-server-static-linux-amd64": b"rebuilt"})
    assert content(take(tarball, cache)) == b"rebuilt"


def test_a_checksum_may_be_given_in_any_form_that_names_it(tarball, cache):
    digest = hashlib.sha512(tarball.read_bytes()).hexdigest()
    other = tarball.with_name("other.sha512")
    for text in (f"{digest} *{NAME}", digest.upper(), f"SHA512 ({NAME}) = {digest}\n"):
        other.write_text(text)
        assert take(tarball, cache, str(other)).artifact_sha512 == digest
    assert take(tarball, cache, f"sha512:{digest.upper()}").artifact_sha512 == digest


def test_a_wrong_checksum_is_refused_with_both_digests(tarball, cache):
    with pytest.raises(
        ArtifactError,
        match=r"does not match its checksum: expected SHA-512 0{8}\.\.\., found [0-9a-f]{8}\.\.\.",
    ):
        take(tarball, cache, "sha512:" + "0" * 128)
    assert not any(name.startswith("banyand-server") for _folder, _dirs, names in os.walk(cache) for name in names)


@pytest.mark.parametrize("checksum", ["sha512:", "sha512:abc", "sha512:" + "g" * 128, "sha512:" + "0" * 129])
def test_a_checksum_that_is_none_is_refused(tarball, cache, checksum):
    with pytest.raises(ArtifactError, match="expected sha512: and 128 hexadecimal digits"):
        take(tarball, cache, checksum)


def test_without_a_checksum_nothing_is_used(tarball, cache):
    os.unlink(f"{tarball}.sha512")
    with pytest.raises(ArtifactError, match="Put the .sha512 file there"):
        take(tarball, cache)


def test_a_checksum_file_without_a_checksum_is_refused(tarball, cache):
    tarball.with_name(NAME + ".sha512").write_text("<html>not found</html>")
    with pytest.raises(ArtifactError, match="holds no SHA-512"):
        take(tarball, cache)


def test_a_missing_program_is_reported_with_the_names_in_the_tarball(tarball, cache):
    with pytest.raises(ArtifactError, match="no build slim-linux-arm64 for this host, but slim-linux-amd64, static-linux-amd64 and 1 more"):
        take(tarball, cache, architecture="arm64", flavor="slim")


def test_a_tarball_of_something_else_is_reported(tmp_path, cache):
    path = tmp_path / NAME
    packed(path, {"README": b""})
    with pytest.raises(ArtifactError, match="has no program banyand-server"):
        take(path, cache)


@pytest.mark.parametrize("damage", [lambda data: b"garbage", lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_file_that_is_no_whole_tarball_is_reported(tarball, cache, damage):
    tarball.write_bytes(damage(tarball.read_bytes()))
    digest = hashlib.sha512(tarball.read_bytes()).hexdigest()
    with pytest.raises(ArtifactError, match="cannot be unpacked|has no program"):
        take(tarball, cache, f"sha512:{digest}")


def test_a_missing_artifact_is_reported_even_if_its_content_is_in_the_cache(tarball, cache):
    checksum = f"sha512:{take(tarball, cache).artifact_sha512}"
    with pytest.raises(ArtifactError, match="is no file on the controller"):
        take(tarball.with_name("none.tgz"), cache, checksum)


def test_a_url_is_fetched_once(tarball, cache):
    asked = []

    def serve(url):
        asked.append(url)
        return open(tarball.with_name(os.path.basename(url)), "rb")

    url = f"https://mirror.example/{NAME}"
    for architecture in ("amd64", "amd64", "arm64"):
        program = artifact.program(url, url + ".sha512", architecture, "static", cache, serve)
        assert content(program) == f"static {architecture}".encode()
    assert asked == [url + ".sha512", url]


def test_what_was_fetched_damaged_is_fetched_again(tarball, cache):
    url = f"https://mirror.example/{NAME}"
    with pytest.raises(ArtifactError, match="does not match"):
        artifact.program(url, f"{tarball}.sha512", "amd64", "static", cache, lambda _url: io.BytesIO(b"cut off"))
    program = artifact.program(url, f"{tarball}.sha512", "amd64", "static", cache, lambda _url: io.BytesIO(tarball.read_bytes()))
    assert content(program) == b"static amd64"


def test_a_url_that_is_not_responding_is_reported_with_the_next_step(cache):
    def refuse(_url):
        raise OSError("Connection refused")

    with pytest.raises(ArtifactError, match="cannot be fetched by the controller: Connection refused.*set the path of a copy."):
        artifact.program("https://mirror.example/a.tgz", "sha512:" + "0" * 128, "amd64", "static", cache, refuse)


NOT_A_CHECKSUM = b"<html><body>Please log in: " + b"0" * 128 + b"</body></html>"


def test_a_page_instead_of_a_checksum_is_never_kept(tarball, cache):
    url = f"https://mirror.example/{NAME}"
    answers = [NOT_A_CHECKSUM, tarball.with_name(f"{NAME}.sha512").read_bytes(), tarball.read_bytes()]

    def serve(_url):
        return io.BytesIO(answers.pop(0))

    with pytest.raises(ArtifactError, match=f"^{url}.sha512 holds no SHA-512 of {NAME} "):
        artifact.program(url, f"{url}.sha512", "amd64", "static", cache, serve)
    assert content(artifact.program(url, f"{url}.sha512", "amd64", "static", cache, serve)) == b"static amd64"


def test_a_list_of_checksums_is_read_for_the_name_of_the_artifact(tarball, cache):
    digest = hashlib.sha512(tarball.read_bytes()).hexdigest()
    listing = tarball.with_name("SHA512SUMS")
    listing.write_text(f"{'0' * 128}  other.tgz\n{digest}  {NAME}\n")
    assert take(tarball, cache, str(listing)).artifact_sha512 == digest
    listing.write_text(f"{'0' * 128}  other.tgz\n{'1' * 128}  another.tgz\n")
    with pytest.raises(ArtifactError, match="holds no SHA-512 of"):
        take(tarball, cache, str(listing))


@pytest.mark.parametrize("others", [{}, {"other.tgz": "1" * 128}])
def test_a_kept_list_without_the_artifact_is_fetched_again(tarball, cache, others):
    earlier, url = "skywalking-banyandb-0.10.0-banyand.tgz", "https://mirror.example/SHA512SUMS"
    lists = [{**others, earlier: "0" * 128}]
    lists += [{**lists[0], NAME: hashlib.sha512(tarball.read_bytes()).hexdigest()}]
    asked = []

    def serve(source):
        asked.append(os.path.basename(source))
        if source != url:
            return open(tarball, "rb")
        return io.BytesIO("".join(f"{digest}  {name}\n" for name, digest in lists.pop(0).items()).encode())

    assert artifact.expected_sha512(f"https://mirror.example/{earlier}", url, cache, serve) == "0" * 128
    for _run in range(2):
        assert content(artifact.program(f"https://mirror.example/{NAME}", url, "amd64", "static", cache, serve)) == b"static amd64"
    assert asked == ["SHA512SUMS", "SHA512SUMS", NAME]


def test_a_list_without_the_artifact_is_not_kept(tarball, cache):
    asked = []

    def serve(source):
        asked.append(source)
        return io.BytesIO(f"{'0' * 128}  another.tgz\n{'1' * 128}  other.tgz\n".encode())

    for _run in range(2):
        with pytest.raises(ArtifactError, match=f"holds no SHA-512 of {NAME}"):
            artifact.expected_sha512(str(tarball), "https://mirror.example/SHA512SUMS", cache, serve)
    assert len(asked) == 2


def test_the_only_line_of_another_artifact_is_no_checksum(tarball, cache):
    listing = tarball.with_name("SHA512SUMS")
    listing.write_text(f"{'0' * 128}  other.tgz\n")
    with pytest.raises(ArtifactError, match="holds no SHA-512 of"):
        take(tarball, cache, str(listing))
    assert artifact.known_sha512(str(tarball), str(listing)) == ""


def test_a_password_in_a_url_is_neither_shown_nor_kept(tarball, cache):
    url = f"https://hugo:pass-5e1@mirror.example/{NAME}?token=tok-77"

    def refuse(asked):
        raise OSError(f"cannot open {asked}")

    with pytest.raises(ArtifactError) as error:
        artifact.program(url, "sha512:" + "0" * 128, "amd64", "static", cache, refuse)
    assert f"https://mirror.example/{NAME}" in str(error.value)
    serve = {False: tarball.with_name(f"{NAME}.sha512").read_bytes(), True: b"damaged"}
    with pytest.raises(ArtifactError, match="does not match") as mismatch:
        artifact.program(url, f"{url}&x=sha512", "amd64", "static", cache, lambda asked: io.BytesIO(serve[asked == url]))
    kept = [os.path.join(folder, name) for folder, directories, names in os.walk(cache) for name in [*directories, *names]]
    for secret in ("hugo", "pass-5e1", "tok-77"):
        assert secret not in str(error.value) and secret not in str(mismatch.value)
        assert not any(secret in path for path in kept)


def test_another_password_finds_what_was_fetched(tarball, cache):
    asked = []

    def serve(url):
        asked.append(url)
        return open(tarball, "rb")

    checksum = f"{tarball}.sha512"
    for architecture, password in (("amd64", "a"), ("arm64", "b")):
        artifact.program(f"https://u:{password}@mirror.example/{NAME}", checksum, architecture, "static", cache, serve)
    assert asked == [f"https://u:a@mirror.example/{NAME}"]


def test_a_program_that_was_changed_in_the_cache_is_unpacked_again(tarball, cache):
    program = take(tarball, cache)
    with open(program.path, "wb") as stream:
        stream.write(b"changed")
    assert content(take(tarball, cache)) == b"static amd64"


def test_the_tarball_is_hashed_once_for_all_its_programs(tarball, cache, monkeypatch):
    take(tarball, cache)
    monkeypatch.setattr(artifact, "_digest", no_network)
    assert content(take(tarball, cache, architecture="arm64")) == b"static arm64"


def test_who_takes_one_artifact_does_not_wait_for_another_one(tmp_path, tarball, cache):
    other = tmp_path / "other" / NAME
    other.parent.mkdir()
    digest = packed(other, {"bin/banyand-server-static-linux-amd64": b"other"})
    os.makedirs(os.path.join(cache, digest))
    with locked(os.path.join(cache, digest)), pytest.raises(Busy), locked(os.path.join(cache, digest), 0.1):
        pass
    with locked(os.path.join(cache, digest)):
        assert content(take(tarball, cache)) == b"static amd64"


def test_what_is_cached_is_on_the_disk_before_it_has_its_name(tarball, cache, monkeypatch):
    done = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, real=real: (done.append(name), real(*given))[1])
    take(tarball, cache)
    # The verified tarball, the program, the record: for each, sync, rename, and sync the directory.
    assert done == ["fsync", "rename", "fsync"] * 3
