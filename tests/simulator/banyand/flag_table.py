# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flags of banyand-server by sub-command: name, type, sub-commands (d data, l liaison, s standalone), default.

Source: `banyand-server <sub-command> --help` of the public source at commit 9ebac4516. The simulator accepts all flags and uses
the flags for discovery, ports, identity, paths and security.
"""

TABLE = """
access-log-root-path string ls
access-log-sampled bool ls
allowed-bytes bytes ds 0B
allowed-percent int ds 75
auth-config-file string ls
bydbql-prepared-cache-max-bytes int ls 10485760
bydbql-prepared-cache-size int ls 4000
bydbql-slow-query-threshold duration ls 1s
bydbql-topk-log-interval duration ls 5m0s
bydbql-topk-param-mode string ls fingerprint
bydbql-topk-reparse-ttl duration ls 24h0m0s
bydbql-topk-slow-ttl duration ls 24h0m0s
cert-file string dls
chunk-buffer-timeout duration d 5s
data-client-ca-cert string l
data-client-health-check-interval duration l 10s
data-client-tls bool l
data-node-list strings l
data-node-selector string l
dst-broadcast-timeout duration l 15s
dst-slow-query duration l 5s
element-index-flush-timeout duration ds 1s
enable-chunk-reordering bool d true
enable-health-auth bool ls
enable-ingestion-access-log bool ls
enable-query-access-log bool ls
failed-parts-max-size-percent int l 10
grpc-buffer-memory-ratio float ls 0.1
grpc-host string dls
grpc-port uint32 dls 17912
handoff-max-size-percent int l 10
has-meta-role bool ds true
http-cert-file string ls
http-grpc-addr string ls localhost:17912
http-grpc-cert-file string ls
http-host string ls
http-key-file string ls
http-port uint32 dls 17913
http-tls bool ls
key-file string dls
liaison-client-ca-cert string l
liaison-client-health-check-interval duration l 10s
liaison-client-tls bool l
liaison-server-cert-file string l
liaison-server-chunk-buffer-timeout duration l 5s
liaison-server-enable-chunk-reordering bool l true
liaison-server-grpc-host string l
liaison-server-grpc-port uint32 l 18912
liaison-server-http-port uint32 l 18913
liaison-server-key-file string l
liaison-server-max-chunk-buffer-size uint32 l 10
liaison-server-max-chunk-gap-size uint32 l 5
liaison-server-max-recv-msg-size bytes l 10.00MiB
liaison-server-tls bool l
logging-env string dls prod
logging-level string dls info
logging-levels strings dls
logging-modules strings dls
max-chunk-buffer-size uint32 d 10
max-chunk-gap-size uint32 d 5
max-diagnosis-memory-usage-percentage int dls 50
max-recv-msg-size bytes d 10.00MiB
max-recv-msg-size bytes ls 16.00MiB
measure-data-path string dls
measure-flush-timeout duration dls 5s
measure-lifecycle-receive-mem-wait-timeout duration dls 5m0s
measure-max-disk-usage-percent int l 95
measure-max-fan-out-size bytes ds 8.00EiB
measure-max-file-snapshot-num int ds 10
measure-max-merge-parts int s 8
measure-metadata-cache-wait-duration duration ls
measure-min-file-snapshot-age duration ds 1h0m0s
measure-min-merge-multiplier float s 1.7
measure-retention-check-interval duration ds 5m0s
measure-retention-cooldown duration ds 30s
measure-retention-force-cleanup-enabled bool ds
measure-retention-high-watermark float ds 95
measure-retention-low-watermark float ds 85
measure-root-path string dls /tmp
measure-series-cache-max-size bytes ds 32.00MiB
measure-sync-interval duration l 30s
measure-vectorized-batch-size int dls 1024
measure-vectorized-enabled bool dls true
measure-vectorized-query-memory-mib int dls 256
measure-write-timeout duration ls 2m0s
name string dls
node-discovery-dns-ca-certs strings dls
node-discovery-dns-fetch-init-duration duration dls 5m0s
node-discovery-dns-fetch-init-interval duration dls 5s
node-discovery-dns-fetch-interval duration dls 15s
node-discovery-dns-srv-addresses strings dls
node-discovery-dns-tls bool dls
node-discovery-file-fetch-interval duration dls 5m0s
node-discovery-file-path string dls
node-discovery-file-retry-initial-interval duration dls 1s
node-discovery-file-retry-max-interval duration dls 2m0s
node-discovery-file-retry-multiplier float dls 2
node-discovery-grpc-timeout duration dls 5s
node-discovery-mode string dls none
node-host string dls
node-host-provider hostprovider dls hostname
node-labels strings dls
node-registry-timeout duration dls 2m0s
observability-listener-addr string dls :2121
observability-metrics-interval duration dls 15s
observability-modes strings dls prometheus
observability-native-flush-interval duration dls 5s
panic-artifact-dir string dls
panic-diagnostics-dir string dls crash
panic-diagnostics-enabled bool dls true
panic-diagnostics-max-artifacts int dls 10
panic-max-artifacts int dls
pprof-listener-addr string dls :6060
property-expire-delete-timeout duration ds 168h0m0s
property-flush-timeout duration ds 5s
property-max-disk-usage-percent int ds 95
property-max-file-snapshot-num int ds 10
property-min-file-snapshot-age duration ds 1h0m0s
property-repair-build-tree-cron string ds @every 1h
property-repair-enabled bool ds true
property-repair-gossip-client-ca-cert string ds
property-repair-gossip-grpc-host string ds
property-repair-gossip-grpc-max-recv-msg-size bytes ds 10.00MiB
property-repair-gossip-grpc-port uint32 ds 17932
property-repair-gossip-grpc-server-cert-file string ds
property-repair-gossip-grpc-server-key-file string ds
property-repair-gossip-grpc-tls bool ds
property-repair-gossip-total-timeout duration ds 20m0s
property-repair-gossip-trace-log bool ds true
property-repair-queue-count int ls 128
property-repair-quick-build-tree-time duration ds 10m0s
property-repair-tree-slot-count int ds 32
property-repair-trigger-cron string ds 0 2 * * *
property-root-path string ds /tmp
schema-property-client-ca-cert string dls
schema-property-client-health-check-interval duration dls 10s
schema-property-client-max-recv-msg-size bytes dls 10.00MiB
schema-property-client-sync-interval duration dls 30s
schema-property-client-tls bool dls
schema-registry-mode string dls property
schema-server-cert-file string ds
schema-server-expire-delete-timeout duration ds 168h0m0s
schema-server-flush-timeout duration ds 5s
schema-server-grpc-host string ds
schema-server-grpc-port uint32 ds 17916
schema-server-key-file string ds
schema-server-max-file-snapshot-num int ds 10
schema-server-max-recv-msg-size bytes ds 10.00MiB
schema-server-min-file-snapshot-age duration ds 1h0m0s
schema-server-repair-build-tree-cron string ds @every 1h
schema-server-repair-quick-build-tree-time duration ds 10m0s
schema-server-repair-tree-slot-count int ds 32
schema-server-root-path string ds /tmp
schema-server-tls bool ds
schema-server-tombstone-retention duration ds 168h0m0s
service-cache-cleanup-interval duration ds 30s
service-cache-idle-timeout duration ds 2m0s
service-cache-max-size bytes ds 100.00MiB
show-rungroup-units bool dls
slow-query duration ds
stream-data-path string dls
stream-flush-timeout duration dls 1s
stream-lifecycle-receive-mem-wait-timeout duration dls 5m0s
stream-max-disk-usage-percent int l 95
stream-max-fan-out-size bytes ds 8.00EiB
stream-max-file-snapshot-num int ds 10
stream-max-merge-parts int ds 15
stream-metadata-cache-wait-duration duration ls
stream-min-file-snapshot-age duration ds 1h0m0s
stream-min-merge-multiplier float ds 1.7
stream-retention-check-interval duration ds 5m0s
stream-retention-cooldown duration ds 30s
stream-retention-force-cleanup-enabled bool ds
stream-retention-high-watermark float ds 95
stream-retention-low-watermark float ds 85
stream-root-path string dls /tmp
stream-series-cache-max-size bytes ds 32.00MiB
stream-sync-interval duration l 30s
stream-vectorized-batch-size int dls 1024
stream-vectorized-enabled bool dls true
stream-vectorized-query-memory-mib int dls 256
stream-write-timeout duration ls 2m0s
tls bool dls
trace-data-path string dls
trace-flush-timeout duration ds 1s
trace-flush-timeout duration l 3s
trace-lifecycle-receive-mem-wait-timeout duration dls 5m0s
trace-max-disk-usage-percent int l 95
trace-max-fan-out-size bytes ds 8.00EiB
trace-max-file-snapshot-num int ds 10
trace-max-merge-parts int ds 15
trace-metadata-cache-wait-duration duration ls
trace-min-file-snapshot-age duration ds 1h0m0s
trace-pipeline-decide-timeout duration ds 5s
trace-pipeline-decide-timeout-circuit-break int ds 3
trace-pipeline-native-plugin-enabled bool ds
trace-pipeline-trusted-plugin-dir string ds
trace-retention-check-interval duration ds 5m0s
trace-retention-cooldown duration ds 30s
trace-retention-force-cleanup-enabled bool ds
trace-retention-high-watermark float ds 95
trace-retention-low-watermark float ds 85
trace-root-path string dls /tmp
trace-sync-interval duration l 30s
trace-vectorized-batch-size int dls 1024
trace-vectorized-enabled bool dls true
trace-vectorized-query-memory-mib int dls 256
trace-write-timeout duration ls 2m0s
"""
