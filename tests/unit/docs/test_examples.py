# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in the documentation exist: variables, playbooks, plugins, verdicts, messages, files. The examples are valid."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns import srv_host_variables
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import GROUPS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import cluster_verdict, node_view, view_findings, view_report
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import REMEDY
from ansible_collections.skywalking.banyandb.tests.unit.docs.plugin_texts import plugin_texts
from ansible_collections.skywalking.banyandb.tests.unit.documented import with_fragments

ROOT = Path(__file__).resolve().parents[3]
WALKTHROUGH = ROOT / "tests" / "docs" / "walkthrough.md"
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")])
KINDS = ("modules", "filter", "lookup", "inventory")
PLUGINS = sorted(path for kind in KINDS for path in ROOT.glob(f"plugins/{kind}/*") if path.suffix in (".py", ".yml"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"skywalking\.banyandb\.([a-z_]+)")
VARIABLE = re.compile(r"\b(?<![./-])banyandb_[a-z_]*[a-z]\b(?!\.)")
# Placeholder for the part of a message that varies.
VARIES = "…"


def pages():
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


DOCUMENTED = {path: found for path in PLUGINS for found in [plugin_texts(path)] if found["DOCUMENTATION"]}


def options(role):
    """Return the option names of all entry points of a role."""
    specification = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return {name for entry in specification["argument_specs"].values() for name in entry["options"]}


ROLES = [path.parent.parent.name for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))]
VARIABLES = {name for role in ROLES for name in options(role)}


# Function -> what it writes between which of its arguments.
CALLS = {
    "_advice": ("", slice(1, 2)),
    "fitted": ("", slice(0, 3)),
    "naming": ("", slice(0, 3)),
    "TopologyFileError": (". ", slice(0, 2)),
    "NotDurable": (". ", slice(0, 2)),
}


def put_together(part):
    """Return the text of an expression of texts, with VARIES for each inserted value. Return nothing for any other expression."""
    if isinstance(part, ast.Constant) and isinstance(part.value, str):
        return part.value
    if isinstance(part, ast.JoinedStr):
        return "".join(piece.value if isinstance(piece, ast.Constant) else VARIES for piece in part.values)
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
        sides = [put_together(side) for side in (part.left, part.right)]
        return "".join(side or VARIES for side in sides) if any(sides) else ""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in CALLS:
        between, texts = CALLS[part.func.id]
        sides = [put_together(argument) for argument in part.args[texts]]
        return between.join(side or VARIES for side in sides) if any(sides) else ""
    return ""


@pytest.fixture(scope="module")
def texts():
    """Return all texts of the plugins, roles and playbooks, each with VARIES for each inserted value."""
    found = []
    for path in sorted(ROOT.glob("plugins/**/*.py")):
        found += filter(None, map(put_together, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    for path in sorted([*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        text = path.read_text(encoding="utf-8")
        found.append(" ".join(re.sub(r"' ~ .+? ~ '|\{\{.+?\}\}", VARIES, text.replace("'\n     '", "")).split()))
    return found


@pages()
def test_every_block_of_yaml_is_well_formed(page):
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "yaml":
            assert yaml.safe_load(block), block


@pages()
def test_every_plugin_role_and_playbook_that_is_named_exists(page):
    there = {found["DOCUMENTATION"].get("module") or found["DOCUMENTATION"]["name"] for found in DOCUMENTED.values()}
    there |= {*ROLES, "probe", *(path.stem for path in ROOT.glob("playbooks/*.yml"))}
    assert set(NAME.findall(page.read_text(encoding="utf-8"))) <= there


@pages()
def test_every_variable_that_is_named_exists(page):
    playbooks = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("playbooks/**/*.yml"))
    internal = {"__banyandb_host", "__banyandb_clusters", "__banyandb_probe", "banyandb_drained"}
    there = VARIABLES | {*GROUPS, srv_host_variables.APART} | internal | set(re.findall(r"(banyandb_\w+) \| default\(", playbooks))
    text = re.sub(r"^```console\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    # The text is only the prefix of a name: any variable with this prefix matches.
    assert {name for name in VARIABLE.findall(text) if not name.startswith(given_environment.PREFIX)} <= there


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_is_in_its_readme_or_in_the_one_that_it_points_to(role):
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert {name for name in options(role) if f"`{name}`" not in text} <= (options("node") if "(../node/README.md)" in text else set())


def test_the_guides_explain_every_variable_of_every_role():
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.md"))
    rare = {"banyandb_kind", "banyandb_change", "banyandb_readdress", "banyandb_admit", "banyandb_refresh_stale"}
    rare |= {"banyandb_refresh", "banyandb_as_listed"}
    assert {name for name in VARIABLES if f"`{name}`" not in text} == rare


def test_the_page_concept_explains_every_verdict():
    text = (ROOT / "docs" / "concept.md").read_text(encoding="utf-8")
    section = text.split("## Verdicts")[1]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section.split("\n\n")[2], re.MULTILINE)) == view_findings.VERDICTS


def test_the_page_concept_explains_every_word_of_the_table():
    text = (ROOT / "docs" / "concept.md").read_text(encoding="utf-8")
    names = ("NOT_LISTED", "MISSING", "STALE", "CONNECTING", "UNREACHED")
    words = {getattr(view_findings, name) for name in names} | {cluster_verdict.NOT_ASKED, node_view.EVICTABLE}
    assert set(re.findall(r"^\| `([^`]+)` \|", text.split("| cell | meaning |")[1], re.MULTILINE)) == words | {view_report.OK}


def test_the_page_troubleshooting_tells_of_every_verdict_but_the_good_one():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert {verdict for verdict in view_findings.VERDICTS if f"verdict `{verdict}`" in text} == set(view_findings.VERDICTS) - {"converged"}


def quoted():
    """Return the messages in troubleshooting.md: texts of more than one word in backticks in the column of symptoms."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    for row in re.findall(r"^\| (.*) \|$", text, re.MULTILINE):
        cells = row.split(" | ")
        symptom = cells[1] if cells[0].strip("`") in REMEDY else cells[0]
        if "<!-- a key of the result -->" not in symptom:
            yield from (message for message in re.findall(r"`([^`]+)`", symptom) if " " in message)


def test_messages_are_quoted_and_refusals_are_found():
    assert len(list(quoted())) > 60
    assert len(list(refusals())) > 40


def pattern(message):
    """Return a pattern that finds a quoted message in its source text. A number may come from a constant of the source."""
    parts = [re.escape(part.strip()) for part in message.split(VARIES) if part.strip(" .;:()")]
    return re.compile(".*".join(re.sub(r"\d+", rf"(?:\g<0>|{VARIES})", part) for part in parts), re.DOTALL)


@pytest.mark.parametrize("message", list(quoted()))
def test_every_message_that_is_quoted_stands_in_the_source(message, texts):
    assert any(pattern(message).search(text) for text in texts)


def refusals():
    """Return the messages of the errors that end a push or refuse an inventory, from their source."""
    for name in (
        "model/topology/push_plan.py",
        "model/setup/cluster_inventory.py",
        "host/server/push.py",
        "host/server/push_decision.py",
        "host/server/push_writes.py",
        "host/files/topology_file.py",
        "host/files/installed_release.py",
        "controller/release/artifact.py",
    ):
        for part in ast.walk(ast.parse((ROOT / "plugins" / "module_utils" / name).read_text(encoding="utf-8"))):
            if isinstance(part, ast.Raise) and isinstance(part.exc, ast.Call) and part.exc.args:
                text = put_together(part.exc) or put_together(part.exc.args[0])
                if len(text.replace(VARIES, "").strip()) > 10:
                    yield text


@pytest.mark.parametrize("text", list(refusals()))
def test_every_refusal_is_in_the_page_troubleshooting(text):
    assert any(pattern(message).search(text) for message in quoted())


def names(document):
    """Return the names of all plays and tasks in a YAML document. The option ``name`` of a module is none of them."""
    if isinstance(document, list):
        for part in document:
            yield from names(part)
    elif isinstance(document, dict):
        if "name" in document and any("." in key or key in ("hosts", "block") for key in document):
            yield str(document["name"])
        for part in document.values():
            yield from names(part)


def test_every_play_and_task_in_a_recorded_output_exists():
    """After a failure, record the fixture again: ``python -m tests.docs.record tests/docs/walkthrough.md``."""
    text = WALKTHROUGH.read_text(encoding="utf-8")
    files = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
    there = {name for path in files for name in names(yaml.safe_load(path.read_text(encoding="utf-8")))}
    there |= {name for language, block in BLOCK.findall(text) if language == "yaml" for name in names(yaml.safe_load(block))}
    recorded = set(re.findall(r"^(?:PLAY|TASK) \[(?:skywalking\.banyandb\.\w+ : )?(.+)\] \*+$", text, re.MULTILINE))
    assert recorded
    made = re.compile("|".join(re.sub(r"\\{\\{.+?\\}\\}", ".+", re.escape(name)) for name in there))
    # Ansible's own step before a role has a name too.
    assert {name for name in recorded if not name.startswith("Validating arguments against arg spec") and not made.fullmatch(name)} == set()


@pages()
def test_console_output_in_a_guide_is_short_and_was_recorded(page):
    recorded = {" ".join(line.split()) for line in WALKTHROUGH.read_text(encoding="utf-8").splitlines()}
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "console":
            lines = [" ".join(line.split()) for line in block.splitlines()]
            assert len(lines) <= 10
            assert [line for line in lines if line not in recorded] == []


@pages()
def test_every_file_that_is_linked_exists(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def anchors(page):
    """Return the link targets of the headings of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pages()
def test_every_heading_that_is_linked_exists(page):
    for target, anchor in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: path.name)
def test_the_examples_of_a_plugin_use_its_documented_options(path):
    found = DOCUMENTED[path]
    tasks = yaml.safe_load(found["EXAMPLES"])
    assert tasks
    if path.parent.name == "filter":
        assert f"| skywalking.banyandb.{found['DOCUMENTATION']['name']}" in found["EXAMPLES"]
        return
    if path.parent.name == "lookup":
        assert f"query('skywalking.banyandb.{found['DOCUMENTATION']['name']}'" in found["EXAMPLES"]
        return
    known = with_fragments(found["DOCUMENTATION"])
    if path.parent.name == "inventory":
        uses = [tasks]
        for fragment in ("ansible.plugins.doc_fragments.constructed", "ansible.plugins.doc_fragments.inventory_cache"):
            known.update(yaml.safe_load(import_module(fragment).ModuleDocFragment.DOCUMENTATION)["options"])
    else:
        module = f"skywalking.banyandb.{found['DOCUMENTATION']['module']}"
        uses = [task[module] for task in tasks if module in task]
    assert uses
    for arguments in uses:
        assert {name for name, option in known.items() if option.get("required")} <= set(arguments) <= set(known)
