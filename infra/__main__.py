"""The platform of both systems, as Pulumi runs it, from the ground up.

Azure or any cluster  ->  mesh  ->  tools  ->  Kafka, PostgreSQL  ->  clinic, reservation
"""

import pulumi

from infra.addresses import Foundation, ImageSource
from infra.any_cluster import kubeconfig_foundation
from infra.cloud.foundation import azure_foundation
from infra.common import common_insight
from infra.images import IMAGE_DIGESTS
from infra.insight import Insight
from infra.kafka_cluster import KafkaCluster, KafkaClusterArgs, given_kafka
from infra.kafka_watch import KafkaWatch
from infra.mesh import Mesh, MeshArgs
from infra.passwords import Passwords, optional_secret_names, secret_names
from infra.postgresql import Postgresql, PostgresqlArgs
from infra.settings import Settings, SettingsError
from infra.system_box import SystemBox, SystemBoxArgs
from infra.systems import SYSTEMS, System
from infra.table_check import check_table
from infra.tools import Tools, ToolsArgs


def platform() -> None:
    check_table(SYSTEMS)
    settings = Settings.load([*secret_names(SYSTEMS), *optional_secret_names()])
    systems = [system for system in SYSTEMS if system.name in settings.workloads.systems]
    passwords = Passwords.load(systems)

    ground = azure_foundation(settings, passwords) if settings.azure else kubeconfig_foundation(settings)
    if not settings.ground_only:
        on_the_ground(ground, settings, systems, passwords)


def on_the_ground(
    ground: Foundation, settings: Settings, systems: list[System], passwords: Passwords
) -> None:
    pulumi.export(IMAGE_DIGESTS, settings.images.digests)
    images = ImageSource(ground.image_registry, settings.images)

    def on_the_cluster(*after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=ground.provider, depends_on=[*ground.depends_on, *after])

    mesh = Mesh(MeshArgs(bool(settings.azure and settings.azure.zones), settings.protect), on_the_cluster())
    senders = tuple(system.namespace for system in systems)
    tools = Tools(
        ToolsArgs(settings.observability, passwords, ground.disk_class, senders, outside=ground.outside),
        on_the_cluster(mesh.namespace),
    )
    below: list[pulumi.Resource] = [mesh, tools.kinds]
    runbooks = settings.observability.runbooks

    if settings.kafka.nodes:
        cluster = KafkaCluster(
            KafkaClusterArgs(settings.kafka, systems, passwords.kafka, ground.disk_class, settings.protect),
            on_the_cluster(),
        )
        kafka = cluster.address
        below.append(cluster)
        KafkaWatch(runbooks, on_the_cluster(cluster, tools.kinds))
    else:
        kafka = given_kafka(settings.kafka)

    postgresql = Postgresql(
        PostgresqlArgs(ground.database, settings, systems, passwords, images, ground.disk_class),
        on_the_cluster(),
    )
    below.append(postgresql)
    for insight in (common_insight(systems, runbooks), postgresql.insight(runbooks)):
        Insight(insight, on_the_cluster(postgresql, tools.kinds))

    for system in systems:
        SystemBox(
            SystemBoxArgs(system, settings, passwords, images, postgresql.address, kafka, ground),
            on_the_cluster(*below),
        )


try:
    platform()
except SettingsError as exc:
    raise pulumi.RunError(str(exc)) from None
