# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site that `make docs` built in .cache/docs/html: every plugin and role has a page, and every link has a target."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".cache" / "docs" / "html"
# A filter's documentation is in a YAML file, in its own Python file, or missing.
FILTERS = sorted({path.stem for path in ROOT.glob("plugins/filter/*") if path.suffix in (".py", ".yml")})
KINDS = {"module": "modules", "lookup": "lookup", "inventory": "inventory"}
PLUGINS = sorted((path.stem, kind) for kind, folder in KINDS.items() for path in ROOT.glob(f"plugins/{folder}/*.py"))
PLUGINS += [(name, "filter") for name in FILTERS]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))


class Page(HTMLParser):
    """A page: its headings, link targets, links and text."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.text = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.update(found[key] for key in ("id", "name") if found.get(key))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])

    def handle_data(self, data):
        self.text.append(data)


@cache
def read(page):
    return Page(SITE / page)


def said(page):
    return " ".join("".join(read(page).text).split())


def test_the_site_is_there():
    assert "index.html" in PAGES, "run `make docs` first"


@pytest.mark.parametrize(("name", "kind"), PLUGINS)
def test_every_plugin_has_a_page_with_its_options_examples_and_results(name, kind):
    page = f"reference/{name}_{kind}.html"
    assert {"synopsis", "examples", f"ansible-collections-skywalking-banyandb-{name.replace('_', '-')}-{kind}"} <= read(page).ids
    assert "Could not load documentation" not in said(page)
    assert "redirect" not in said(page)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_page_with_its_entry_points_and_variables(role):
    specification = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    text = said(f"reference/{role}_role.html")
    for entry, described in specification.items():
        assert f"Entry point {entry} " in text
        assert described["short_description"] in text
        assert all(name in text for name in described["options"])


def test_the_contents_lead_to_every_page_of_the_reference_and_to_every_guide():
    pages = {str(path.relative_to(ROOT).with_suffix(".html")) for path in ROOT.glob("docs/*.md")}
    pages |= {f"reference/{name}_{kind}.html" for name, kind in PLUGINS}
    pages |= {f"reference/{name}_role.html" for name in ROLES} | {"README.html"}
    assert pages <= set(read("index.html").links)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_site_leads_somewhere(page):
    for link in read(page).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        assert target.is_file(), link
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in read(str(target.resolve().relative_to(SITE))).ids, link
