# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metrics in the text format of Prometheus, as recorded from the real server (contract, section 6).

A metric appears only after its first use, as in the real server.
"""

from __future__ import annotations

FILE_DISCOVERY = "banyandb_metadata_file_discovery_"
DNS_DISCOVERY = "banyandb_metadata_dns_discovery_"
LIAISON_GRPC = "banyandb_liaison_grpc_"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Some metrics of a process. Names have no prefix. A counter's name includes its labels."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.counters = {}
        self.gauges = {}
        self.histograms = {}

    def count(self, name, amount=1):
        self.counters[name] = self.counters.get(name, 0) + amount

    def set(self, name, value):
        self.gauges[name] = value

    def observe(self, name, value):
        self.histograms.setdefault(name, []).append(value)

    def text(self):
        """Return the text of the page."""
        lines = []
        for name in sorted([*self.counters, *self.gauges, *self.histograms]):
            full = self.prefix + name
            kind = "counter" if name in self.counters else "gauge" if name in self.gauges else "histogram"
            family = full.partition("{")[0]
            lines += [f"# HELP {family} {family}", f"# TYPE {family} {kind}"]
            if kind == "histogram":
                values = self.histograms[name]
                for edge in _BUCKETS:
                    lines.append(f'{full}_bucket{{le="{edge}"}} {sum(value <= edge for value in values)}')
                lines.append(f'{full}_bucket{{le="+Inf"}} {len(values)}')
                lines += [f"{full}_sum {sum(values)}", f"{full}_count {len(values)}"]
            else:
                lines.append(f"{full} {self.counters.get(name, self.gauges.get(name))}")
        return "\n".join(lines) + "\n" if lines else ""
