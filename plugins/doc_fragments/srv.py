# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of what asks DNS for SRV records."""

    DOCUMENTATION = r"""
requirements:
  - dnspython >= 2.6 where this runs
options:
  nameservers:
    description:
      - Servers to ask, in this order. Each an C(address), C(address:port) or C([IPv6 address]:port).
      - Without any, those of C(/etc/resolv.conf), with its options C(timeout), C(attempts), C(ndots), C(rotate), C(use-vc), C(no-aaaa) and
        C(edns0).
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds that a server has for one question. A silent server costs O(timeout) times O(attempts).
      - The default is what C(/etc/resolv.conf) says where its servers are asked, else 2.
    type: float
  attempts:
    description:
      - Rounds through all O(nameservers).
      - The default is what C(/etc/resolv.conf) says where its servers are asked, else 2.
    type: int
  tcp:
    description:
      - V(auto) asks by UDP, and by TCP where an answer is truncated, or so long that a server may have cut it off without saying so (about
        nine SRV records). Where TCP gives no answer, the records of UDP count, with a warning.
      - V(always) asks by TCP alone.
    type: str
    choices: [auto, always]
    default: auto
  search:
    description: Let the search list of the system complete names without a trailing dot. Otherwise every name is absolute.
    type: bool
    default: false
  address_types:
    description:
      - Asked for each target, side by side.
      - A target with addresses of one type counts also where no server answers for the other type, with a warning.
    type: list
    elements: str
    choices: [A, AAAA]
    default: [A, AAAA]
  second_opinion:
    description:
      - Ask all O(nameservers) when an answer denies a name, or lacks a target of the last good answer (see O(snapshot_dir)).
      - Such an answer counts only when at least two servers answer and all of them agree. Otherwise the outcome is C(server_failure) with
        the code C(DISAGREEMENT).
    type: bool
    default: false
  on_no_such_name:
    description: What to do when the zone does not have the name (NXDOMAIN).
    type: str
    choices: [fail, empty]
    default: fail
  on_no_data:
    description: What to do when the name has no SRV records, or the single target C(.), which withdraws the service (RFC 2782).
    type: str
    choices: [fail, empty]
    default: fail
  on_bad_target:
    description: What to do about a target that is an alias, that does not exist, that has no address, or that has port 0, or
      that is C(.) beside others.
    type: str
    choices: [fail, warn]
    default: fail
  serve_stale:
    description:
      - When no server answers, or a server fails, use the last good answer with a warning that names its age, the serial of its zone where that
        is known, and the cause.
      - Good answers are kept in O(snapshot_dir) only with this. The serial is one more question for each name, side by side with those for
        addresses; that it stays unanswered is no failure.
    type: bool
    default: false
  snapshot_dir:
    description: Directory on the machine that asks, for the last five good answers of each name.
    type: path
    default: ~/.cache/skywalking.banyandb/srv
  max_age:
    description: Seconds. An older answer is not used, and the name fails.
    type: float
    default: 86400.0
"""
