#!/bin/sh
# What `make demo` shows. It starts from empty hosts, whatever an earlier run has left.
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
cd "$(dirname "$0")/../.."
lab="python -m tests.lab --lab demo"
work=.cache/demo
export ANSIBLE_FORKS=10 ANSIBLE_DISPLAY_SKIPPED_HOSTS=false ANSIBLE_LOCALHOST_WARNING=false

say() { printf '\n=== %s\n' "$*"; }
started() { # host -> when its server was started
    for host in node1 node2 node3 node4 node5; do
        printf '%s ' "$host"
        $lab ssh "$host" "systemctl show --property=ExecMainStartTimestampMonotonic --value 'banyandb-*.service'" | tr -d '\n'
        echo
    done
}

say "Six hosts, each with its own systemd, sshd and disk"
$lab down
$lab up 6
rm -rf "$work"
mkdir -p "$work/five" "$work/six"
for inventory in five six; do
    $lab inventory --output "$work/$inventory/hosts.yml"
    cp "tests/demo/$inventory.yml" "$work/$inventory/cluster.yml"
done

say "Deploy 2 liaisons and 3 data nodes: ansible-playbook -i $work/five skywalking.banyandb.deploy"
ansible-playbook -i "$work/five" skywalking.banyandb.deploy
started > "$work/started-before"

say "The inventory gains node6: ansible-playbook -i $work/six skywalking.banyandb.deploy"
ansible-playbook -i "$work/six" skywalking.banyandb.deploy
started > "$work/started-after"
diff "$work/started-before" "$work/started-after"
echo "None of the five servers was restarted."

say "Who sees whom, from every node's own GetClusterState: ansible-playbook -i $work/six skywalking.banyandb.status"
ansible-playbook -i "$work/six" skywalking.banyandb.status -e "banyandb_status_file=$PWD/$work/status.json"

cat <<EOF

The lab stays up. Look around:
  $PWD/.venv/bin/$lab ssh node3 cat /etc/banyandb/topology.yml
  $PWD/.venv/bin/$lab ssh node1 sudo journalctl -u banyandb-liaison
  less $work/status.json
Take it down:
  make demo-down
EOF
