"""Alerts fire when they should, and not a bit before; each has its page; Alertmanager knows whom to tell."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml
from prometheus_client.openmetrics import exposition as openmetrics

from clinic_lib import metrics
from infra.alerts.alert import Alert, group_of, page_of
from infra.alerts.pace import DAY, HOUR, Pace
from infra.observability_page import PAGE, with_tables
from infra.observe import all_alerts, all_boards, main, write
from infra.queries.promql import per_second, total, up_to
from infra.recording import ROOT, Program, record, stack_config
from infra.systems import SYSTEMS, Objective, Service
from tests.infra.alert_cases import Case, cases_of
from tests.observe.prometheus import installed

ALERTS = all_alerts()
SERVICES = {service.label: service for system in SYSTEMS for service in system.services}
PAGES = ROOT / "docs" / "runbooks"
PARTS = ("## What it means", "## What people notice", "## Look", "## Mend", "## It is over when")


def promtool(*arguments: str | Path) -> None:
    ran = subprocess.run([installed("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_prometheus_reads_every_alert(tmp_path: Path) -> None:
    for name, alerts in ALERTS.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"groups": [group_of(name, list(alerts))]}))

    promtool("check", "rules", *tmp_path.iterdir())


def test_prometheus_reads_what_every_panel_asks(tmp_path: Path) -> None:
    asked = {
        target["expr"]
        for board in all_boards()
        for panel in board.content()["panels"]
        for target in panel.get("targets", [])
    }
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(sorted(asked))
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    promtool("check", "rules", "--lint=none", file)
    assert len(rules) > 100


def chosen() -> Iterator[tuple[Alert, Service | None]]:
    """All that differ: services with one objective have the same alerts but for their names."""
    seen: set[Objective | None] = set()
    for name, alerts in ALERTS.items():
        if name in SERVICES:
            if (objective := SERVICES[name].objective) in seen:
                continue
            seen.add(objective)
        yield from ((alert, SERVICES.get(name)) for alert in alerts)


EVERY_ALERT = pytest.mark.parametrize(
    ("alert", "service"),
    list(chosen()),
    ids=lambda given: given.name + given.labels.get("window", "") if isinstance(given, Alert) else "",
)


@EVERY_ALERT
def test_it_fires_just_over_its_limit_and_is_silent_just_under_it(
    alert: Alert, service: Service | None, tmp_path: Path
) -> None:
    cases = list(cases_of(alert, service))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [group_of("tested", [alert])]}))
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(_promtools(alert, cases)))

    assert {case.fires for case in cases} == {True, False}
    if any(case.fires for case in cases):
        promtool("test", "rules", tmp_path / "cases.yaml")


def _promtools(alert: Alert, cases: list[Case]) -> dict[str, Any]:
    """That it fires is asked as a count, which leaves the wording of the summary out."""
    count = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{cases[0].step:.0f}s",
        "tests": [
            {
                "name": case.name,
                "interval": f"{case.step:.0f}s",
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "promql_expr_test": [
                    {
                        "expr": count,
                        "eval_time": f"{case.at:.0f}s",
                        "exp_samples": [{"labels": "{}", "value": int(case.fires)}],
                    }
                ],
            }
            for case in cases
        ],
    }


@pytest.mark.parametrize(("bound", "written"), [("1", 1.0), ("1.0", 1.0), ("0.5", 0.5), ("5.0", 5.0)])
def test_a_bucket_is_found_however_its_bound_is_written(bound: str, written: float, tmp_path: Path) -> None:
    """Python's client and a Prometheus 3 write `1.0`; other clients, and what an older server has stored, `1`."""
    of = 'clinic_http_request_seconds_bucket{service="seat",le='
    others = {f'{of}"{each}"}}': "1+1x10" for each in ("0.1", "10.0", "15.0", "100", "+Inf")}
    case = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values}
            for name, values in {f'{of}"{bound}"}}': "0+60x10", **others}.items()
        ],
        "promql_expr_test": [
            {
                "expr": total(
                    per_second("clinic_http_request_seconds_bucket", up_to(written), window="5m"), "service"
                ),
                "eval_time": "10m",
                "exp_samples": [{"labels": '{service="seat"}', "value": 1}],
            }
        ],
    }
    file = tmp_path / "bounds.yaml"
    file.write_text(yaml.safe_dump({"tests": [case]}))

    promtool("test", "rules", file)


@pytest.mark.parametrize("encoder", [prometheus_client.generate_latest, openmetrics.generate_latest])
def test_every_objective_is_a_bucket_that_services_export(encoder: Callable[[Any], bytes]) -> None:
    metrics.http_seconds.labels("objective", "GET", "/").observe(0.1)
    exported = set(
        re.findall(r'request_seconds_bucket{.*le="([^"]+)"', encoder(metrics.http_seconds).decode())
    )

    objectives = {each.objective.seconds_p99 for each in SERVICES.values() if each.objective}
    for seconds in objectives | {1.0, 5.0}:
        regex, pattern = re.findall(r'le=(~?)"(.*)"', up_to(seconds))[0]
        wanted = re.compile(pattern if regex else re.escape(pattern))
        assert [float(each) for each in exported if wanted.fullmatch(each)] == [seconds]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    wanted = {page_of(alert.name) for alerts in ALERTS.values() for alert in alerts}

    assert {path.name for path in PAGES.glob("*.md")} == wanted


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_says_what_to_do(page: Path) -> None:
    text = page.read_text()
    places = [text.find(part) for part in PARTS]

    assert -1 not in places and places == sorted(places)
    assert re.search(r"`(clinic|kubectl|az) [^`]+`|```sh", text), "it names no command"
    for command in re.findall(r"`kubectl [^`]* logs -l [^`]+`", text):
        assert "--tail=-1" in command, "with a selector kubectl shows ten lines of each pod"
    board = re.search(r"dashboard `([\w-]+)`", text)
    assert board and board[1] in {each.uid for each in all_boards()} | {"service-NAME"}


def test_every_alert_says_who_what_and_where() -> None:
    for alerts in ALERTS.values():
        for alert in alerts:
            rule = alert.rule()
            assert rule.labels["severity"] in ("page", "ticket")
            assert set(rule.annotations) == {"summary", "description", "runbook_url", "dashboard"}
            assert all(rule.annotations.values())


def test_alerts_are_shipped_where_their_boxes_are(programs: dict[str, Program]) -> None:
    def shipped(program: Program) -> set[str]:
        rules = program.of_kind("PrometheusRule")
        return {
            rule["alert"]
            for each in rules
            for group in each.inputs["spec"]["groups"]
            for rule in group["rules"]
        }

    every = {alert.name for alerts in ALERTS.values() for alert in alerts}

    assert shipped(programs["local"]) == every
    assert shipped(programs["prod"]) == every - {"PostgresqlDown"}


def test_time_can_pass_faster() -> None:
    pace = Pace(factor=30)

    assert [pace.span(each) for each in (HOUR, DAY, 60, 45)] == ["2m", "48m", "2s", "1500ms"]
    assert pace.seconds(60) == 2


def alertmanager(program: Program) -> dict[str, Any]:
    release = next(each for each in program.resources if each.inputs.get("name") == "prometheus")
    return release.inputs["values"]["alertmanager"]


def test_nobody_is_told_of_anything_unless_a_stack_says_whom(local: Program) -> None:
    values = alertmanager(local)

    assert values["config"]["receivers"] == [{"name": "nobody"}, {"name": "page"}, {"name": "ticket"}]
    assert values["alertmanagerSpec"]["secrets"] == []


def test_a_webhook_is_a_secret_and_is_read_from_a_file() -> None:
    address = "https://example.invalid/hook"
    program = record("local", {**stack_config("local"), "clinic:alertWebhook-page": {"secure": address}})

    (secret,) = (each for each in program.of_kind("Secret") if each.name == "alert-webhook-page")
    values = alertmanager(program)
    file = values["config"]["receivers"][1]["webhook_configs"][0]["url_file"]
    assert secret.secrets and secret.inputs["stringData"] == {"url": address}
    assert file == f"/etc/alertmanager/secrets/{secret.object_name}/url"
    assert values["alertmanagerSpec"]["secrets"] == [secret.object_name]
    assert address not in json.dumps(values)


def test_every_alert_goes_to_the_receiver_of_its_severity(local: Program) -> None:
    routes = alertmanager(local)["config"]["route"]["routes"]
    told = {}
    for alerts in ALERTS.values():
        for alert in alerts:
            route = next(each for each in routes if _matches(each["matchers"][0], alert))
            told[alert.severity] = route["receiver"]

    assert told == {"page": "page", "ticket": "ticket"}


def _matches(matcher: str, alert: Alert) -> bool:
    label, _, pattern = matcher.partition(" =~ ")
    values = {"alertname": alert.name, "severity": alert.severity}
    return re.fullmatch(pattern.strip('"'), values[label]) is not None


def test_what_is_silenced_are_alerts_that_exist(local: Program) -> None:
    known = {alert.name for alerts in ALERTS.values() for alert in alerts} | {"InfoInhibitor"}

    for rule in alertmanager(local)["config"]["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, _, pattern = re.split(r"\s*(=~|!=|=)\s*", matcher, maxsplit=1)
            if label == "alertname":
                assert any(re.fullmatch(pattern.strip('"'), name) for name in known), matcher


def test_what_is_critical_in_one_namespace_silences_no_warning_of_another(local: Program) -> None:
    rules = alertmanager(local)["config"]["inhibit_rules"]

    (severe,) = (each for each in rules if each["source_matchers"] == ['severity =~ "page|critical"'])
    assert severe["equal"] == ["service", "namespace", "alertname"]


def test_a_folder_gets_rules_and_dashboards_without_the_clusters(tmp_path: Path) -> None:
    write(tmp_path)

    boards = {path.stem for path in (tmp_path / "dashboards").iterdir()}
    rules = (tmp_path / "rules").glob("*.yaml")
    assert {"overview", "service-seat", "database"} <= boards
    assert not boards & {"kafka", "mesh"}
    promtool("check", "rules", *rules)
    assert "kube_" not in "".join(path.read_text() for path in (tmp_path / "rules").iterdir())


def test_services_that_do_not_run_are_not_said_to_be_down(tmp_path: Path) -> None:
    write(tmp_path, ["reception", "gateway"])

    rules = {path.stem for path in (tmp_path / "rules").iterdir()}
    boards = {path.stem for path in (tmp_path / "dashboards").iterdir()}
    assert {"common", "reception", "gateway"} == rules
    assert {each for each in boards if each.startswith("service-")} == {
        "service-reception",
        "service-gateway",
    }


def test_a_file_in_place_of_the_folder_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "taken"
    file.touch()
    monkeypatch.setattr("sys.argv", ["observe", str(file)])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert f"{file} is a file: name a folder" in capsys.readouterr().err


def test_the_page_of_dashboards_and_alerts_says_what_the_code_says() -> None:
    page = PAGE.read_text()

    assert page == with_tables(page), "python -m infra.observability_page writes it anew"
    assert "| [ServiceDown](runbooks/service-down.md) | page |" in page
