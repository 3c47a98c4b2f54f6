#!/bin/sh
# Run the demo of `make demo`. It starts from empty hosts and removes the rest of an earlier run.
# The first argument is the discovery mode: a topology.yml on each host (`file`), or servers that ask DNS (`dns`).
# With a second argument, the cluster has TLS, passwords and a firewall.
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
cd "$(dirname "$0")/../.."
discovery=$1
secure=${2:-}
lab="python -m tests.lab --lab demo"
work=.cache/demo
dns="python -m tests.dns $work/dns"
zone=demo.example.
export ANSIBLE_FORKS=10 ANSIBLE_DISPLAY_SKIPPED_HOSTS=false ANSIBLE_LOCALHOST_WARNING=false

say() { printf '\n=== %s\n' "$*"; }
started() { # print host -> start time of its server
    for host in node1 node2 node3 node4 node5; do
        printf '%s ' "$host"
        $lab ssh "$host" "systemctl show --property=ExecMainStartTimestampMonotonic --value 'banyandb-[dls]*.service'" | tr -d '\n'
        echo
    done
}
address() { # print the address of a host, as the hosts resolve it
    $lab ssh node1 getent hosts "$1" | cut -d ' ' -f 1
}
serve_zone() { # start a nameserver for the lab, with the records of five nodes
    {
        for host in node1 node2; do echo "_liaison._tcp 5 SRV 0 0 18912 $host"; done
        for host in node3 node4 node5; do echo "_data._tcp 5 SRV 0 0 17912 $host"; done
        for host in node1 node2 node3 node4 node5; do echo "$host 5 A $(address "$host")"; done
    } > "$work/$zone"
    $dns start "$zone" "$work/$zone" "$1:53"
    $lab nameserver "$1"
    cat "$work/$zone"
}
find_by_dns() { # write inventories for servers that ask DNS, and `found`: an inventory that also gets its hosts from DNS
    mkdir "$work/found"
    for inventory in five six found; do
        cp tests/demo/dns.yml "$work/$inventory/"
        echo "all: {vars: {banyandb_srv_nameservers: [$1], banyandb_srv_snapshot_dir: '$PWD/$work/srv'}}" > "$work/$inventory/nameserver.yml"
    done
    { cat tests/demo/found.banyandb.yml; printf '%s\n' "nameservers: [$1]" "snapshot_dir: $PWD/$work/srv"; } > "$work/found/demo.banyandb.yml"
    { # SSH settings of its hosts: those of node1 without the address
        printf '%s\n' "all:" "  vars:"
        sed -n '/^    node1:/,/^    node2:/{/^      ansible_host:/d;s/^      /    /p}' "$work/six/hosts.yml"
    } > "$work/found/ssh.yml"
}
reached() { # print whether this machine connects to port 17912 of a host
    if timeout 5 bash -c "exec 3<> /dev/tcp/$(address "$1")/17912" 2> /dev/null; then echo "$1: port 17912 is open"; else echo "$1: port 17912 is closed"; fi
}

say "Start six hosts, each with its own systemd, sshd and disk"
$dns stop
$lab down
$lab up 6
rm -rf "$work"
mkdir -p "$work/five" "$work/six"
for inventory in five six; do
    $lab inventory --output "$work/$inventory/hosts.yml"
    cp "tests/demo/$inventory.yml" "$work/$inventory/cluster.yml"
done
if [ "$secure" ]; then
    say "Use TLS, passwords and the firewall, with this machine as the only client: $work/five/secure.yml"
    for inventory in five six; do
        cp tests/demo/secure.yml "$work/$inventory/"
        echo "all: {vars: {banyandb_firewall_clients: [$(address controller)], banyandb_ca_dir: '$PWD/$work/ca'}}" > "$work/$inventory/client.yml"
    done
    cat "$work/five/secure.yml"
fi
if [ "$discovery" = dns ]; then
    say "Serve the zone $zone with Knot, an authoritative nameserver"
    nameserver=$(address controller)
    serve_zone "$nameserver"
    find_by_dns "$nameserver"
fi

say "Deploy 2 liaisons and 3 data nodes: ansible-playbook -i $work/five skywalking.banyandb.deploy"
ansible-playbook -i "$work/five" skywalking.banyandb.deploy
started > "$work/started-before"

if [ "$discovery" = dns ]; then
    record="_data._tcp 5 SRV 0 0 17912 node6"
    say "Add node6 to the zone with a dynamic update: $record"
    $dns update "add node6 5 A $(address node6)" "add $record"
fi
say "Add node6 to the inventory: ansible-playbook -i $work/six skywalking.banyandb.deploy"
ansible-playbook -i "$work/six" skywalking.banyandb.deploy
started > "$work/started-after"
diff "$work/started-before" "$work/started-after"
echo "The run restarted none of the five servers."

inventory=$work/six
if [ "$discovery" = dns ]; then
    inventory=$work/found
    say "Use an inventory that gets the same hosts from DNS: $inventory/demo.banyandb.yml"
    cat "$inventory/demo.banyandb.yml"
fi
say "Show the cluster view of every node: ansible-playbook -i $inventory skywalking.banyandb.status"
ansible-playbook -i "$inventory" skywalking.banyandb.status -e "banyandb_status_file=$PWD/$work/status.json"

if [ "$secure" ]; then
    say "Show the certificates: ansible-playbook -i $inventory skywalking.banyandb.certificates"
    ansible-playbook -i "$inventory" skywalking.banyandb.certificates
    say "Connect from this machine to a liaison and to a data node"
    reached node1
    reached node3
fi

cat <<END

The lab stays up. Commands to try:
END
if [ "$discovery" = dns ]; then
    cat <<END
  $PWD/.venv/bin/$lab ssh node3 sudo cat /etc/banyandb/data.env
  $PWD/.venv/bin/$dns update 'delete _data._tcp SRV 0 0 17912 node6'
END
else
    cat <<END
  $PWD/.venv/bin/$lab ssh node3 cat /etc/banyandb/topology.yml
END
fi
cat <<END
  $PWD/.venv/bin/$lab ssh node1 sudo journalctl -u banyandb-liaison
  less $work/status.json
Remove the lab:
  make demo-down
END
