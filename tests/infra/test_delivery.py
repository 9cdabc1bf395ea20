"""Images and the pipeline: valid, and as the table of services has them."""

import json
import re
import subprocess
import sys

import yaml

from infra.images import matrix
from infra.pod import USER
from infra.recording import ROOT
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
    assert f"USER {USER}:{USER}" in lines
    assert USER >= 10000


def test_scripts_that_the_pipeline_runs_are_there() -> None:
    text = "".join((ROOT / each).read_text() for each in PIPELINES)

    named = set(re.findall(r"(?:scriptPath: |template: )(pipelines/\S+)", text))
    assert named == {"pipelines/image", "pipelines/pulumi", "pipelines/pulumi.yml"}
    assert all((ROOT / each).exists() for each in named)
