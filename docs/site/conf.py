# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings with which Sphinx builds the site from the files that build.py copied. The build needs no network."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

project = "skywalking.banyandb"
author = "The skywalking.banyandb contributors"
project_copyright = f"%Y {author}"
html_title = html_short_title = "Ansible collection skywalking.banyandb"

extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
nitpicky = True
# The reference links to some pages of Ansible's documentation. build.py writes the inventory of these pages.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/ansible/latest/", "ansible.inv")}
exclude_patterns = ["ansible.inv"]
# Environment variables of Ansible. The documentation of Ansible describes them.
nitpick_ignore_regex = [("envvar", "(ANSIBLE|BANYANDB)_.*")]

# Headings are link targets, as on GitHub.
myst_heading_anchors = 4

pygments_style = "ansible"
highlight_language = "none"
html_theme = "sphinx_ansible_theme"
html_theme_options = {"collapse_navigation": False, "navigation_depth": 3, "topbar_links": ""}
html_show_sphinx = False
html_use_index = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Link the title at the top to the first page of the site. The theme links the title to the root of the web server."""

    def home(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
        context["theme_documentation_home_url"] = context["pathto"](app.config.root_doc)

    app.connect("html-page-context", home)
