# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin node_trial.

from __future__ import annotations

DOCUMENTATION = r"""
module: node_trial
short_description: "Internal: test whether a server can start with its settings"
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Runs M(skywalking.banyandb.start_trial) on the host. In check mode, sends the expected environment of the server too.
extends_documentation_fragment:
  - skywalking.banyandb.host_variables
options:
  configures:
    description: Whether the run writes the environment file before the start. With V(false) the server starts with its present file.
    type: bool
    default: true
  report_failure:
    description: As O(skywalking.banyandb.start_trial#module:report_failure).
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Warns about ports and missing files. Does not start the program.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Test whether the server can start with its new settings
  skywalking.banyandb.node_trial:
    variables: __banyandb_variables
  become: true
"""

RETURN = r"""
failure:
  description: As RV(skywalking.banyandb.start_trial#module:failure).
  type: dict
  returned: with O(report_failure), if the server does not start
  sample:
    reason: "banyandb-data: /opt/banyandb/versions/0.11.0/bin/banyand-server is on a file system mounted noexec. Remount it with exec"
"""
