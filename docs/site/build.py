# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site: ``python docs/site/build.py DIRECTORY`` writes ``DIRECTORY/html``.

The pages of the site are the guides, the READMEs and the pages in PROJECT. Each page keeps its path, so a link between two pages works on the site
and on GitHub. The tool antsibull-docs adds the pages in ``reference/``, from the documentation of the plugins and the specifications of the roles.
A warning of Sphinx or antsibull-docs ends the build with exit code 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = Path("docs/site")
COLLECTION = "skywalking.banyandb"
# Pages in the root of the tree, beside README.md.
PROJECT = ("CHANGELOG.rst", "SECURITY.md", "CODE_OF_CONDUCT.md")
# Label -> page and title in Ansible's own documentation.
ANSIBLE_PAGES = {
    "action_plugins": ("plugins/action.html", "Action plugins"),
    "ansible_configuration_settings": ("reference_appendices/config.html", "Ansible configuration settings"),
    "common_return_values": ("reference_appendices/common_return_values.html", "Return values"),
}
# antsibull-docs ends the name of each page with a kind.
KINDS = ("module", "filter", "lookup", "inventory", "role")
# The list of the reference pages replaces this line of index.md.
PLACEHOLDER = "(one line for each page of the reference)"
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """Return the guides in docs/, every README.md and PROJECT, as paths from the root of the tree."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", *PROJECT]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = (Path(line) for line in listed.stdout.splitlines())
    return sorted({path for path in found if (ROOT / path).exists() and (path.name in ("README.md", *PROJECT) or path.parent == Path("docs"))})


def linked_files(page: Path) -> Iterator[Path]:
    """Yield the files that ``page`` links to and that are no pages, such as a file of requirements."""
    for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        file = (ROOT / page.parent / target).resolve()
        if file.is_file() and file.suffix not in (".md", ".rst") and file.is_relative_to(ROOT):
            yield file.relative_to(ROOT)


def gather(source: Path) -> None:
    """Copy the pages, and the files that they link to, into a new directory ``source``."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    shutil.copy(ROOT / SITE / "index.md", source)
    for page in pages():
        for file in (page, *linked_files(page)):
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, source / file)


def inventory_of_ansible() -> bytes:
    """Return ANSIBLE_PAGES as a Sphinx inventory, version 2. From this file Sphinx reads the labels of another site."""
    head = "# Sphinx inventory version 2\n# Project: Ansible\n# Version: latest\n# The remainder of this file is compressed using zlib.\n"
    lines = [f"{label} std:label -1 {page} {title}\n" for label, (page, title) in ANSIBLE_PAGES.items()]
    return head.encode() + zlib.compress("".join(lines).encode())


def list_reference(index: Path, reference: Path) -> None:
    """Add the pages of the reference to the contents, under short names. Their titles are sentences."""
    found = [(kind, page.stem.removesuffix(f"_{kind}")) for kind in KINDS for page in sorted(reference.glob(f"*_{kind}.rst"))]
    lines = [f"{kind} {name} <{reference.name}/{name}_{kind}>" for kind, name in found]
    index.write_text(index.read_text(encoding="utf-8").replace(PLACEHOLDER, "\n".join(lines)), encoding="utf-8")


def run(*command: str | Path) -> None:
    """Run a tool from the environment of this Python, with the ansible of that environment. Exit if the tool fails."""
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([str(tools / command[0]), *map(str, command[1:])], env=environment, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with exit code {done.returncode}: the site was not built")


def build(directory: Path) -> None:
    """Build the site in ``directory``, from the collection in ANSIBLE_COLLECTIONS_PATH."""
    source = directory / "source"
    gather(source)
    (source / "ansible.inv").write_bytes(inventory_of_ansible())
    reference = source / "reference"
    reference.mkdir(mode=0o755)
    options = ("--use-current", "--squash-hierarchy", "--no-breadcrumbs", "--fail-on-error")
    run("antsibull-docs", "collection", *options, "--dest-dir", reference, COLLECTION)
    (reference / "environment_variables.rst").unlink()  # the page is empty
    list_reference(source / "index.md", reference)
    shutil.rmtree(directory / "html", ignore_errors=True)
    run("sphinx-build", "-W", "--keep-going", "-q", "-E", "-c", ROOT / SITE, "-d", directory / "doctrees", source, directory / "html")
    print(f"{directory / 'html' / 'index.html'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/site/build.py DIRECTORY")
    build(Path(sys.argv[1]).absolute())
