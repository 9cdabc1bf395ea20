"""Every stack's program, as a whole."""

import inspect
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from asyncpg.connect_utils import _parse_connect_dsn_and_args

from infra.clock import first_of_month
from infra.recording import ROOT, Program, record, stack_config
from tests.infra import faults
from tests.infra.drift import drift, largest_pool_millicores, needed_millicores
from tests.infra.facts import misnamed
from tests.infra.reach import misled, past_the_mesh
from tests.infra.references import dangling


def test_every_manifest_is_valid_by_the_schema_of_its_kind(program: Program) -> None:
    assert list(faults.schema_faults(program)) == []


def test_every_reference_resolves(program: Program) -> None:
    assert list(dangling(program)) == []


def test_no_secret_stands_in_clear(program: Program) -> None:
    assert list(faults.secrets_in_clear(program)) == []


def test_no_rule_is_broken(program: Program) -> None:
    assert list(faults.rule_faults(program)) == []


def test_the_table_is_what_the_code_says_and_the_program_what_the_table_says(program: Program) -> None:
    assert list(drift(program)) == []


def test_who_should_reach_whom_does_and_nobody_else(program: Program) -> None:
    assert list(misled(program)) == []


def test_the_sidecar_lets_pass_what_is_not_in_the_mesh(program: Program) -> None:
    assert list(past_the_mesh(program)) == []


def test_servers_elsewhere_are_reached_past_the_sidecar_on_their_own_ports() -> None:
    config = stack_config("local")
    config["clinic:kafka"] = {
        "nodes": 0,
        "bootstrapServers": "kafka.example.com:19092,kafka.example.com:19093",
        "replicationFactor": 3,
    }
    config["clinic:postgresql"] = {"host": "postgresql.example.com", "port": 6432}

    program = record("local", config)

    ports = {
        each.inputs["spec"]["template"]["metadata"]["annotations"].get(
            "traffic.sidecar.istio.io/excludeOutboundPorts"
        )
        for each in program.of_kind("Deployment")
        if each.namespace == "medical"
    }
    assert ports == {"4318", "4318,6432,19092,19093"}
    factors = {each.inputs["data"].get("KAFKA_REPLICATION_FACTOR") for each in program.of_kind("ConfigMap")}
    assert factors == {None, "3"}
    assert list(past_the_mesh(program)) == []


def test_pages_ask_of_kafka_only_what_this_one_can_do(programs: dict[str, Program]) -> None:
    page = (ROOT / "docs/day-two.md").read_text()

    can = all("cruiseControl" in next(each.of_kind("Kafka")).inputs["spec"] for each in programs.values())
    assert can or "KafkaRebalance" not in page


def test_names_that_others_gave_are_theirs(program: Program) -> None:
    assert list(misnamed(program)) == []


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_all_services_at_their_largest_fit_the_node_pool(stack: str, programs: dict[str, Program]) -> None:
    azure = stack_config(stack)["clinic:azure"]

    assert needed_millicores(programs[stack]) <= largest_pool_millicores(azure)


def test_a_budget_begins_this_month_and_stays_where_it_began(programs: dict[str, Program]) -> None:
    budget = next(each for each in programs["dev"].resources if each.kind == "Budget")

    assert budget.inputs["timePeriod"]["startDate"] == "2026-11-01T00:00:00Z"
    assert budget.ignore_changes == ("timePeriod",)
    assert first_of_month() == f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"


def test_entrances_are_as_many_as_services_and_spread(programs: dict[str, Program]) -> None:
    values = {
        stack: [each.inputs["values"] for each in program.releases() if each.inputs["name"] == "entrance"]
        for stack, program in programs.items()
    }

    assert [each["autoscaling"]["minReplicas"] for each in values["prod"]] == [2, 2]
    assert [each["autoscaling"]["minReplicas"] for each in values["local"]] == [1, 1]
    for each in values["prod"]:
        keys = [constraint["topologyKey"] for constraint in each["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_where_nobody_hands_out_addresses_helm_waits_for_none() -> None:
    config = stack_config("local")
    config["clinic:kubeconfig"]["serviceType"] = "NodePort"

    program = record("local", config)

    assert "LoadBalancer" not in json.dumps([each.inputs for each in program.resources])


def test_the_database_on_azure_has_to_prove_who_it_is(programs: dict[str, Program]) -> None:
    configs = [
        each.inputs["data"]
        for each in programs["prod"].of_kind("ConfigMap")
        if "DATABASE_URL" in each.inputs["data"]
    ]
    job = next(programs["prod"].of_kind("Job"))
    variables = {
        each["name"]: each.get("value")
        for each in job.inputs["spec"]["template"]["spec"]["containers"][0]["env"]
    }

    assert configs
    for each in configs:
        assert each["DATABASE_URL"].endswith("?ssl=verify-full")
        assert each["PGSSLROOTCERT"] == variables["PGSSLROOTCERT"] == "/etc/ssl/certs/ca-certificates.crt"
    assert variables["PGSSLMODE"] == "verify-full"


def test_the_driver_takes_its_authorities_from_where_the_pod_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "authorities.pem"))
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "authorities.pem"))

    _, parameters = _parse_connect_dsn_and_args(
        dsn="postgresql://user@db.example.com/database",
        **dict.fromkeys(inspect.signature(_parse_connect_dsn_and_args).parameters.keys() - {"dsn", "ssl"}),
        ssl="verify-full",
    )

    assert parameters.ssl.check_hostname
    assert parameters.ssl.verify_mode == ssl.CERT_REQUIRED
    assert len(parameters.ssl.get_ca_certs()) == 1
