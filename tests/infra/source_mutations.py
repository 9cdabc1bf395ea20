"""Single mistakes in the source of the program: in which file, what stands there, and what instead."""

from typing import NamedTuple

__all__ = ["SOURCE_MUTATIONS", "SourceMutation"]


class SourceMutation(NamedTuple):
    """`old` stands exactly once in the file; `stack` is where the mistake shows."""

    file: str
    old: str
    new: str
    stack: str = "local"

    def __str__(self) -> str:
        return f"{self.file}: {self.new.strip() or 'nothing'} in place of {self.old.strip()} ({self.stack})"


M = SourceMutation

SOURCE_MUTATIONS = (
    # who reaches whom
    M("network_rules.py", "port=53", "port=54"),
    M("network_rules.py", 'DNS_NAMESPACE = "kube-system"', 'DNS_NAMESPACE = "default"'),
    M("access.py", "ISTIOD_PORT = 15012", "ISTIOD_PORT = 15017"),
    M("access.py", 'pods({"app": ENTRANCE}),', ""),
    M("access.py", "if args.service.database:", "if not args.service.database:"),
    M("access.py", "if args.service.topics:", "if not args.service.topics:"),
    M("access.py", "tcp(ADMIN_PORT, *SIDECAR_METRICS)", "tcp(*SIDECAR_METRICS)"),
    M("access.py", "if args.service.calls:", "if False:"),
    M("access.py", "entrance_account(system.namespace),", ""),
    M("access.py", "[str(PUBLIC_PORT)]", "[str(ADMIN_PORT)]"),
    M("access.py", "(15020, 15090)", "(15020,)"),
    M("tracing.py", "TRACES_PORT = 4317", "TRACES_PORT = 4318"),
    M("tracing.py", "TRACES_HTTP_PORT = 4318", "TRACES_HTTP_PORT = 4319"),
    M("tracing.py", "incoming(tcp(TRACES_PORT, TRACES_HTTP_PORT), *senders)", "incoming(tcp(TRACES_PORT))"),
    M("workload.py", "*kafka, TRACES_HTTP_PORT}", "*kafka}"),
    M("entrance.py", "incoming(tcp(PUBLIC_PORT, HEALTH_PORT))", "incoming(tcp(HEALTH_PORT))"),
    M("entrance.py", "outgoing(tcp(PUBLIC_PORT), *services),", ""),
    M("entrance.py", "prefix=route", "prefix=route.lower()"),
    M("namespaces.py", 'policy_types=["Ingress", "Egress"]', 'policy_types=["Ingress"]'),
    M("postgresql.py", "clients=[system.namespace for system in args.systems]", "clients=[]"),
    M("databases.py", "outgoing(tcp(address.port), peer(address.peer))", ""),
    M("kafka_cluster.py", "namespace_label(system.namespace)", "namespace_label(system.name)"),
    M("tools.py", '"loadBalancerSourceRanges": list(args.settings.operators),', ""),
    M("tools.py", '"allowEmptyIngressHost": True', '"allowEmptyIngressHost": False'),
    # the mesh
    M("workload.py", "kafka = args.kafka.ports if", "kafka = () if"),
    M("pod.py", 'excludeInboundPorts": str(ADMIN_PORT)', 'excludeInboundPorts": str(PUBLIC_PORT)'),
    M("traffic.py", 'TIMEOUT = "20s"', 'TIMEOUT = "1s"'),
    M("traffic.py", 'per_try_timeout=TIMEOUT, retry_on="', 'per_try_timeout=TIMEOUT, retry_on="reset,'),
    M("traffic.py", '"ISTIO_MUTUAL"', '"DISABLE"'),
    M("traffic.py", "max_ejection_percent=50", "max_ejection_percent=100"),
    M("system_box.py", '{"mode": "STRICT"}', '{"mode": "PERMISSIVE"}'),
    M("system_box.py", 'AuthorizationPolicy("nobody", ', 'AuthorizationPolicy("somebody", '),
    M("__main__.py", "on_the_cluster(*below),", "on_the_cluster(),"),
    # Kafka
    M("kafka_cluster.py", "[*acls, Acl(AclResource(", "acls or [Acl(AclResource("),
    M("kafka_cluster.py", '*(["Read"] if topic in service.reads else []),', ""),
    M(
        "kafka_cluster.py",
        'AclResource("group", service.name)',
        'AclResource("group", service.kubernetes_name)',
    ),
    M("kafka_cluster.py", "-kafka-bootstrap.", "-kafka-bootstraps."),
    M("kafka_cluster.py", "PARTITIONS = 24", "PARTITIONS = 12"),
    M("kafka_cluster.py", '"retention.ms": -1', '"retention.ms": 604800000'),
    M("kafka_cluster.py", "_topic(system, min(args.settings.nodes, 3)", "_topic(system, 1", "prod"),
    M("kafka_cluster.py", '"log.retention.ms": -1', '"log.retention.ms": 1'),
    M("kafka_cluster.py", '"deleteClaim": False', '"deleteClaim": True'),
    M(
        "kafka_cluster.py",
        '"transaction.state.log.min.isr": 2 if',
        '"transaction.state.log.min.isr": 1 if',
        "prod",
    ),
    M("kafka_cluster.py", "self.child(operator, protect=args.protect)", "self.child(protect=args.protect)"),
    M("kafka_cluster.py", "                exported,\n", ""),
    # secrets and settings
    M("system_box.py", "args.passwords.database[name]", "args.passwords.kafka[name]"),
    M(
        "workload.py",
        '"KAFKA_USER": service.kubernetes_name',
        '"KAFKA_USER": args.passwords["KAFKA_PASSWORD"]',
    ),
    M(
        "passwords.py",
        'database_admin=config.require_secret("databaseAdminPassword")',
        'database_admin=config.require_secret("adminToken")',
    ),
    M("postgresql.py", "{each.name: args.passwords", "{each.kubernetes_name: args.passwords"),
    M("workload.py", "args.database.url(service.name)", "args.database.url(service.kubernetes_name)"),
    M("workload.py", '"DATABASE_USER": service.name', '"DATABASE_USER": service.kubernetes_name'),
    M(
        "workload.py",
        'f"http://{each.kubernetes_name}:{PUBLIC_PORT}"',
        'f"http://{each.kubernetes_name}:{ADMIN_PORT}"',
    ),
    M("metrics.py", '("podMonitor", "serviceMonitor",', '("serviceMonitor",'),
    M("metrics.py", "FULL_PERCENT = 85", "FULL_PERCENT = 100"),
    M("addresses.py", "?ssl=verify-full", "?ssl=require", "dev"),
    M("workload.py", '{"PGSSLROOTCERT": AUTHORITIES} if args', "{} if args", "dev"),
    M("kafka_cluster.py", '"securityContext": RESTRICTED', '"securityContext": {}'),
    # pods
    M("workload.py", 'target_port="http"', 'target_port="admin"'),
    M("workload.py", '["ReadWriteMany"]', '["ReadWriteOnce"]'),
    M("workload.py", "average_utilization=scaling.cpu_percent", "average_utilization=80"),
    M("workload.py", "max_unavailable=0", "max_unavailable=1"),
    M("pod.py", 'path="/health/live"', 'path="/health/ready"'),
    M("pod.py", "DRAIN_SECONDS = 5", "DRAIN_SECONDS = 1"),
    M("pod.py", "run_as_non_root=True", "run_as_non_root=False"),
    M("pod.py", "failure_threshold=3", "failure_threshold=30"),
    M("pod.py", "fs_group=APP_USER", "fs_group=0"),
    M("pod.py", 'size_limit="64Mi"', 'size_limit="64Gi"'),
    M("pod.py", 'match_label_keys=["pod-template-hash"],', ""),
    M("pod.py", 'ProxyStarts": true', 'ProxyStarts": false'),
    M("workload.py", "max_unavailable=1", "max_unavailable=0"),
    M("workload.py", '"AlwaysAllow"', '"IfHealthyBudget"'),
    M("workload.py", "stabilization_window_seconds=60", "stabilization_window_seconds=0"),
    M("workload.py", "self.child(protect=self._args.protect, ", "self.child(", "prod"),
    M("postgresql_server.py", "USER = 70", "USER = 71"),
    M("postgresql_server.py", '"data": "/var/lib/postgresql"', '"data": "/var/lib/postgresql/data"'),
    M("postgresql_server.py", 'target_port="postgresql"', 'target_port="postgres"'),
    M("addresses.py", 'f"@{digest}" if digest', 'f":{digest}" if digest', "dev"),
    # Azure
    M(
        "cloud/roles.py",
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "7f951dda-4ed3-4680-a7ca-43fe172d538e",
        "dev",
    ),
    M(
        "cloud/roles.py",
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        "8311e382-0749-4cb8-b61a-304f252e45ed",
        "dev",
    ),
    M(
        "cloud/roles.py",
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "17d1049b-9a84-46fb-8f53-869881c3d3ac",
        "dev",
    ),
    M("cloud/cluster.py", "                network_role,\n", "", "dev"),
    M("cloud/cluster.py", 'if mode == "System"', 'if mode == "User"', "dev"),
    M(
        "cloud/cluster.py",
        "6dae42f8-4368-4678-94ff-3960e28e3630",
        "6dae42f8-4368-4678-94ff-3960e28e3631",
        "dev",
    ),
    M("cloud/virtual_network.py", 'destination_port_range="5432"', 'destination_port_range="5433"', "dev"),
    M(
        "cloud/virtual_network.py",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "Microsoft.DBforPostgreSQL/servers",
        "dev",
    ),
    M("cloud/database_server.py", "protect=args.protect", "protect=False", "prod"),
    M("cloud/database_server.py", 'else "Disabled"\n', 'else "SameZone"\n', "dev"),
    M("cloud/shared_files.py", "privatelink.file.core", "privatelink.files.core", "dev"),
    M("cloud/shared_files.py", 'group_ids=["file"]', 'group_ids=["blob"]', "dev"),
    M("cloud/key_vault.py", '"azurekeyvault://"', '"azurekeys://"', "dev"),
    M("cloud/key_vault.py", '"azurekms://"', '"azurekeyvault://"', "dev"),
    M("cloud/resource_group.py", 'ignore_changes=["timePeriod"]', "ignore_changes=[]", "dev"),
)
