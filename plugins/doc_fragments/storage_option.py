# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option ``storage``; STORAGE_OPTIONS in module_utils/host/files/data_directory.py."""

    DOCUMENTATION = r"""
options:
  storage:
    description: The node and its data directories.
    type: dict
    suboptions:
      user:
        description: User of the server.
        type: str
        required: true
      cluster:
        description: Name of the cluster.
        type: str
        required: true
      host:
        description: Inventory name of the host.
        type: str
        required: true
      node:
        description: Name of the node in views.
        type: str
        required: true
      role:
        description: Kind of the node, V(data), V(liaison) or V(standalone).
        type: str
        required: true
      roots:
        description: The data directories. Each key is an absolute path, its value is the list of the stores there.
        type: dict
        required: true
      reached:
        description: Other paths that the server must reach. The user must be able to enter every directory above each path.
        type: list
        elements: path
        default: []
      record:
        description: Path of the record, a file outside of the data directories that says where the data is.
        type: path
        required: true
      unit_file:
        description: Path of the unit file.
        type: path
        required: true
      accept_empty:
        description: Whether the node may start without the data that it stored before.
        type: bool
        default: false
      adopt:
        description: Whether the node may use data that has no marker of the node.
        type: bool
        default: false
      others:
        description: The other nodes in the inventory of the cluster. Each key is an inventory name, its value is the name of the node in views.
        type: dict
        default: {}
"""
