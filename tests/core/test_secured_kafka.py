"""A broker that lets in only known users, by SCRAM over TLS, as the cluster's does."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from clinic_lib.errors import ConfigurationError
from clinic_lib.local.kafka import Kafka
from clinic_lib.local.ports import free_port
from clinic_lib.local.spawn import problem_of
from clinic_lib.settings import ServiceSettings, load_settings
from tests.conftest import running
from tests.core.process import service_process

SENT = re.compile(r"^clinic_relay_sent_total\{.*\} 1\.0$", re.MULTILINE)

SECURED = """\
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},SECURED://{host}:{secured}
advertised.listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={keystore}
"""


class SecuredKafka(Kafka):
    """The local broker with one more listener, which asks for a password."""

    def __init__(self, folder: Path, port: int, authority: trustme.CA) -> None:
        super().__init__(folder, port)
        self.secured = free_port()
        self._certificate = authority.issue_cert("127.0.0.1")

    async def _format(self) -> None:
        keystore = self.folder / "broker.pem"
        chain = b"".join(each.bytes() for each in self._certificate.cert_chain_pems)
        keystore.write_bytes(_pkcs8(self._certificate.private_key_pem.bytes()) + chain)
        secured = SECURED.format(
            host="127.0.0.1",
            port=self.port,
            controller=self.port + 1,
            secured=self.secured,
            keystore=keystore,
        )
        plain = re.sub(r"(?m)^(advertised\.)?listeners=.*\n", "", self._properties.read_text())
        self._properties.write_text(plain + secured)
        problem = await problem_of(
            *self._java("kafka.tools.StorageTool", "format", "--cluster-id=MkU3OEVBNTcwNTJENDM2Qk"),
            *("--config", str(self._properties)),
            *("--add-scram", "SCRAM-SHA-512=[name=order,password=opensesame]"),
        )
        assert not problem


def _pkcs8(key: bytes) -> bytes:
    """The only form of a key that Kafka reads."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[SecuredKafka]:
    broker = SecuredKafka(tmp_path_factory.mktemp("secured"), free_port(), authority)
    with running(broker, broker.folder):
        yield broker


async def test_a_service_with_the_password_joins_and_publishes(
    kafka: SecuredKafka, authority: trustme.CA, database_url: str
) -> None:
    servers = f"127.0.0.1:{kafka.secured}"

    async with service_process(
        "order",
        database_url=database_url,
        kafka=servers,
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_USER="order",
        KAFKA_PASSWORD="opensesame",
        KAFKA_CA=authority.cert_pem.bytes().decode(),
    ) as order:
        await order.until("/health/ready", 200)
        placed = await order.client.post("/orders", json={"seat_id": 1, "quantity": 1})

        assert placed.status_code == 201, placed.text
        async with asyncio.timeout(10):
            while not re.search(SENT, (await order.admin.get("/metrics")).text):
                await asyncio.sleep(0.1)


def test_sasl_without_a_password_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")

    with pytest.raises(ConfigurationError, match="KAFKA_USER and KAFKA_PASSWORD are needed"):
        load_settings(ServiceSettings).kafka_security()


def test_a_certificate_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("KAFKA_CA", "none")

    with pytest.raises(ConfigurationError, match="KAFKA_CA is no certificate in PEM"):
        load_settings(ServiceSettings).kafka_security()
