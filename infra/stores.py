"""What can be set of Kafka and PostgreSQL: of our own, or another's by address."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.values import OF_NUMBERS, Cidr, Quantity, Section, mebibytes, written

__all__ = ["Kafka", "Postgresql"]

KAFKA_NEEDS_MEBIBYTES = 768
LARGEST_PORT = 65535
HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
Host = Annotated[str, written(HOST, "host", "db.example.com")]
Role = Annotated[str, written(r"[A-Za-z_][A-Za-z0-9_@.-]*", "role", "postgres")]


def _enough_for_kafka(memory: str) -> str:
    if mebibytes(memory) < KAFKA_NEEDS_MEBIBYTES:
        raise ValueError(f"{memory} is too little for a Kafka node: say {KAFKA_NEEDS_MEBIBYTES}Mi or more")
    return memory


def _brokers(text: str) -> str:
    for each in text.split(","):
        port = each.rpartition(":")[2]
        if not re.fullmatch(rf"{HOST}:[1-9][0-9]{{0,4}}", each) or int(port) > LARGEST_PORT:
            raise ValueError(f"{each or 'nothing'} is no broker: write one like kafka.example.com:9092")
    return text


class Kafka(Section):
    """A cluster of our own (`nodes` > 0), or another's by its address."""

    nodes: Annotated[Literal[0, 1, 3, 5], OF_NUMBERS] = 1
    """Chosen when the stack is made, for ever: nothing here moves what topics hold to other nodes."""
    storage: Quantity = "10Gi"
    memory: Annotated[Quantity, AfterValidator(_enough_for_kafka)] = "1Gi"
    """Of each node; half of it is the heap, the rest is for the page cache."""
    bootstrap_servers: Annotated[str, AfterValidator(_brokers)] | None = None
    replication_factor: Annotated[Literal[1, 2, 3], OF_NUMBERS] | None = None
    """On how many brokers by address each record is: one name may stand for many of them."""
    address_range: Cidr = "10.0.0.0/8"
    """Where brokers by address are, for the network rules."""

    @property
    def heap_mebibytes(self) -> int:
        return mebibytes(self.memory) // 2

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.nodes > 0) == (self.bootstrap_servers is not None):
            raise ValueError("give either nodes, for a cluster of our own, or nodes 0 and bootstrapServers")
        if self.nodes > 0:
            self.refuse("replication_factor", "address_range", beside="nodes of our own")
            return self
        self.refuse("storage", "memory", beside="bootstrapServers")
        if self.replication_factor is None:
            raise ValueError("replicationFactor is missing: say on how many brokers each record has to be")
        return self


class Postgresql(Section):
    """Outside Azure: a server inside the cluster, or another by its address."""

    host: Host | None = None
    port: int = Field(default=5432, ge=1, le=LARGEST_PORT)
    administrator: Role = "postgres"
    storage: Quantity = "8Gi"
    address_range: Cidr = "10.0.0.0/8"
    """Where a server by address is, for the network rules."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.host is None:
            self.refuse("port", "address_range", beside="a server inside the cluster")
        else:
            self.refuse("storage", beside="host")
        return self
