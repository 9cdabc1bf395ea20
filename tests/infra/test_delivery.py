"""Images and the pipeline: valid, and as the table of services has them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.images import IMAGE_DIGESTS, NOT_YET, ImagesError, digests, matrix
from infra.names import APP_USER
from infra.recording import ROOT, record, stack_config
from infra.systems import SYSTEMS

VALIDATE = (
    *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.azure-pipelines"),
    *("--regex-variant", "python", "--data-transform", "azure-pipelines", "--default-filetype", "yaml"),
)
PIPELINES = ("azure-pipelines.yml", "pipelines/pulumi.yml")


def test_the_pipeline_is_valid_by_azures_schema() -> None:
    files = [str(ROOT / each) for each in PIPELINES]

    answer = subprocess.run(
        [*VALIDATE, *files],
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_misspelt_key_of_the_pipeline_is_refused() -> None:
    pipeline = yaml.safe_load((ROOT / PIPELINES[0]).read_text())
    pipeline["stages"][0]["jobs"][0]["stepz"] = pipeline["stages"][0]["jobs"][0].pop("steps")

    answer = subprocess.run(
        [*VALIDATE, "-"],
        input=yaml.safe_dump(pipeline),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "stepz" in answer.stdout
    assert answer.returncode != 0


def test_the_pipeline_builds_the_images_of_the_table() -> None:
    pipeline = yaml.safe_load((ROOT / PIPELINES[0]).read_text())
    build = next(each for each in pipeline["stages"] if each["stage"] == "build")

    assert build["jobs"][0]["strategy"]["matrix"] == matrix()


def test_there_is_an_image_for_every_service_and_each_has_its_own_name() -> None:
    services = [each for system in SYSTEMS for each in system.services]
    images = matrix()

    assert sorted(each["app"] for each in images.values()) == sorted(each.app for each in services)
    assert len({each["image"] for each in images.values()}) == len(services)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each["image"]) for each in images.values())
    assert json.loads(json.dumps(images)) == images


def test_the_image_is_pinned_and_its_user_is_the_pods() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    bases = [line for line in lines if line.startswith("FROM ")]
    arguments = [line for line in lines if line.startswith("ARG PYTHON=")]
    assert all(base.split()[1] == "${PYTHON}" for base in bases)
    assert len(arguments) == 1
    assert re.fullmatch(r"ARG PYTHON=\S+@sha256:[0-9a-f]{64}", arguments[0])
    assert f"USER {APP_USER}:{APP_USER}" in lines
    assert APP_USER >= 10000


def test_scripts_that_the_pipeline_runs_are_there() -> None:
    text = "".join((ROOT / each).read_text() for each in PIPELINES)

    named = set(re.findall(r"(?:scriptPath: |template: )(pipelines/\S+)", text))
    assert named == {"pipelines/image", "pipelines/pulumi", "pipelines/pulumi.yml"}
    assert all((ROOT / each).exists() for each in named)
    scripts = [each for each in (ROOT / "pipelines").iterdir() if each.suffix == ""]
    called = set(re.findall(r"pipelines/\w[\w-]*", "".join(each.read_text() for each in scripts) + text))
    assert all((ROOT / each).exists() for each in called)
    assert all(os.access(each, os.X_OK) for each in scripts)


def test_tools_have_a_version_and_a_checksum_and_every_job_installs_what_it_runs() -> None:
    tools = (ROOT / "pipelines/tools").read_text()

    fetched = re.findall(r"fetch https://\S+/v?(\d+\.\d+\.\d+)/\S+ \\\n\s+([0-9a-f]{64}) ", tools)
    assert len(fetched) == 3
    assert "pipelines/tools syft cosign" in (ROOT / "azure-pipelines.yml").read_text()
    assert "pipelines/tools pulumi cosign" in (ROOT / "pipelines/pulumi.yml").read_text()


def test_a_file_with_another_checksum_is_no_tool(tmp_path: Path) -> None:
    curl = tmp_path / "bin/curl"
    curl.parent.mkdir()
    curl.write_text(
        '#!/bin/sh\nfor last; do :; done\nwhile [ "$1" != --output ]; do shift; done\necho bad >"$2"\n'
    )
    curl.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{curl.parent}:{os.environ['PATH']}",
        "AGENT_TOOLSDIRECTORY": str(tmp_path),
    }

    answer = subprocess.run(
        [ROOT / "pipelines/tools", "cosign"], env=environment, capture_output=True, text=True, check=False
    )

    assert answer.returncode != 0
    assert "prependpath" not in answer.stdout
    assert not os.access(tmp_path / "clinic/bin/cosign", os.X_OK)


def test_azure_sessions_outlast_a_long_update() -> None:
    text = "".join((ROOT / each).read_text() for each in PIPELINES)

    assert text.count("task: AzureCLI@2") == text.count("keepAzSessionActive: true")
    assert "ARM_OIDC_TOKEN=" not in (ROOT / "pipelines/pulumi").read_text()


def test_what_nobody_has_read_runs_only_by_the_connection_that_waits_for_approval() -> None:
    pipeline = (ROOT / PIPELINES[0]).read_text()
    check, *others = yaml.safe_load(pipeline)["stages"]

    assert set(re.findall(r"azure-(?:dev|prod)[\w-]*", str(check))) == {"azure-dev-preview"}
    assert "preview" not in str(others)
    assert [each["condition"] for each in others if each["dependsOn"] == "check"] == [
        "and(succeeded(), ne(variables.isPullRequest, true))"
    ]


def test_each_stack_has_its_state_in_a_container_of_its_own() -> None:
    steps = yaml.safe_load((ROOT / "pipelines/pulumi.yml").read_text())["steps"]
    page = (ROOT / "docs/deploy-azure.md").read_text()

    container = "azblob://${{ parameters.stack }}?storage_account=$(stateAccount)"
    assert steps[-1]["env"]["PULUMI_BACKEND_URL"] == container
    assert re.findall(r'--scope "\$state(\S*)" \\\n +--assignee-object-id', page) == [
        "/blobServices/default/containers/dev"
    ]


def test_sections_of_the_guide_use_no_variable_that_another_one_made() -> None:
    page = (ROOT / "docs/deploy-azure.md").read_text()
    titles = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    sections = {
        title: "".join(re.findall(r"```sh\n(.*?)```", part, re.DOTALL)) for title, part in titles.items()
    }

    made = {title: set(re.findall(r"\b([a-z]+)(?:=| in )", text)) for title, text in sections.items()}
    shell = made["In each new shell"]
    for title, text in sections.items():
        assert set(re.findall(r"\$([a-z]+)", text)) <= made[title] | shell, title
    assert page.index("az aks get-credentials") < page.index("`kubectl -n")


ALL = {each["image"]: f"sha256:{number:064}" for number, each in enumerate(matrix().values(), 1)}


def test_a_stack_on_azure_says_which_images_it_runs_and_runs_no_others() -> None:
    program = record("dev", {**stack_config("dev"), "clinic:images": {"digests": ALL}})

    images = {
        container["image"]
        for each in program.of_kind("Deployment", "Job")
        for container in each.inputs["spec"]["template"]["spec"]["containers"]
        if "azurecr" in container["image"]
    }
    assert program.outputs[IMAGE_DIGESTS] == ALL
    assert images == {f"clinicdevregistry.azurecr.io/{name}@{digest}" for name, digest in ALL.items()}


def test_before_there_are_images_the_ground_is_made_alone() -> None:
    program = record("dev", {**stack_config("dev"), "clinic:groundOnly": True})

    kinds = {each.type.partition(":")[0] for each in program.resources if each.custom}
    assert [each.kind for each in program.manifests()] == ["StorageClass"]
    assert "azure-native" in kinds
    assert {"registry", "secretsProvider"} <= set(program.outputs)


def test_a_preview_takes_the_images_that_run_and_an_update_those_that_were_pushed(tmp_path: Path) -> None:
    running = {IMAGE_DIGESTS: {**ALL, "bygone": ALL["seat"]}, "registry": "x"}
    (tmp_path / "image-seat").mkdir()
    new = f"sha256:{'a' * 64}"
    (tmp_path / "image-seat/seat.digest").write_text(f"{new}\n")

    assert digests(running) == ALL
    assert digests(running, tmp_path) == {**ALL, "seat": new}
    assert digests({}, tmp_path) == {"seat": new}
    assert digests({}, tmp_path, not_yet=True) == {**dict.fromkeys(ALL, NOT_YET), "seat": new}


def test_digests_that_are_not_there_or_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="no folder /nowhere"):
        digests({}, Path("/nowhere"))
    with pytest.raises(ImagesError, match=r"no NAME\.digest in "):
        digests({}, tmp_path)
    (tmp_path / "seat.digest").write_text("sha256:new\n")
    with pytest.raises(ImagesError, match=r"seat\.digest says 'sha256:new'"):
        digests({}, tmp_path)


def test_what_the_platform_needs_holds_the_typechecker_that_the_engine_asks_for() -> None:
    typechecker = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["runtime"]["options"]["typechecker"]
    pinned = {
        group: re.findall(
            rf"^{typechecker}==\S+", (ROOT / f"requirements/{group}.lock").read_text(), re.MULTILINE
        )
        for group in ("infra", "dev")
    }

    assert len(pinned["infra"]) == 1
    assert pinned["infra"] == pinned["dev"]
