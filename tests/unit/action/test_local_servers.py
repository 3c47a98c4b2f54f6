# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter local_servers reads variables of hosts that are not in the run."""

from __future__ import annotations

from ansible.errors import AnsibleUndefinedVariable

from ansible_collections.skywalking.banyandb.plugins.filter.local_servers import local_servers


class NeedsFacts(dict):
    """Variables of a host whose data directory is a template with a fact that the run has not gathered."""

    def get(self, name, default=None):
        if name == "banyandb_data_dir":
            raise AnsibleUndefinedVariable("object of type 'dict' has no attribute 'hostname'")
        return super().get(name, default)


def test_a_host_whose_directories_need_facts_still_has_its_addresses():
    found = local_servers({"d1": NeedsFacts(banyandb_user="bydb", banyandb_http_port=80)}, {"banyandb_data": ["d1"]})
    assert (found["d1"]["url"], found["d1"]["user"]) == ("http://127.0.0.1:80", "bydb")
