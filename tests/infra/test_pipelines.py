"""The pipeline's scripts, with programs in the places of those that they run, which write down what they are asked."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.images import IMAGE_DIGESTS, NOT_YET, matrix
from infra.recording import ROOT

DIGEST = f"sha256:{'a' * 64}"
DOCKER = f"""*' inspect '*) exit 1;;
*' --metadata-file '*)
    while [ "$1" != --metadata-file ]; do shift; done
    echo '{{"containerimage.digest": "{DIGEST}"}}' >"$2";;
"""
"""Has no builder yet, and pushes whatever it is asked to build."""
SCRIPTS = sorted(each.name for each in (ROOT / "pipelines").iterdir() if not each.suffix)
OUTPUTS = {
    "registry": "prod.azurecr.io",
    "signingKey": "azurekms://v/images",
    "resourceGroup": "rg",
    "databaseServer": "psql",
}


class Commands:
    """`asked` are the lines that the scripts wrote, without those that only ask for a stack's outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "asked").touch()
        everything = json.dumps({**OUTPUTS, IMAGE_DIGESTS: {"seat": DIGEST}})
        answers = "".join(f"*' {key}') echo {value};;\n" for key, value in OUTPUTS.items())
        self._stand_in("pulumi", f"*' --json') echo '{everything}';;\n{answers}")
        self._stand_in("cosign", "")
        self._stand_in("syft", "")
        self._stand_in("docker", DOCKER)
        self.waiting("")

    def waiting(self, parameters: str) -> None:
        self._stand_in("az", f"*'parameter list'*) echo {parameters};;\n")

    def fails_at(self, name: str, word: str) -> None:
        self._stand_in(name, f"*{word}*) exit 1;;\n")

    def _stand_in(self, name: str, answers: str) -> None:
        file = self.folder / "bin" / name
        log = f'echo "{name} $*" >>{self.folder}/asked\n'
        file.write_text(f'#!/bin/sh\n{log}case "$*" in\n{answers}*) ;;\nesac\n')
        file.chmod(0o755)

    def run(self, script: str, *arguments: object) -> str:
        answer = self.answer(script, *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def answer(self, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        return subprocess.run(
            [ROOT / "pipelines" / script, *map(str, arguments)],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
        )

    @property
    def asked(self) -> list[str]:
        lines = (self.folder / "asked").read_text().splitlines()
        return [each for each in lines if not each.startswith("pulumi stack output")]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """What the build stage published of one image."""
    folder = tmp_path / "images/image-order"
    folder.mkdir(parents=True)
    (folder / "order.digest").write_text(f"{DIGEST}\n")
    (folder / "order.spdx.json").write_text("{}")
    return folder.parent


def setting(name: str, digest: str) -> str:
    return f'pulumi config set --stack dev --path clinic:images.digests["{name}"] {digest}'


def test_digests_of_what_runs_go_into_the_stacks_file(commands: Commands) -> None:
    commands.run("digests", "dev")

    assert commands.asked == [setting("seat", DIGEST)]


def test_a_preview_shows_what_runs_and_zeros_for_what_is_new(commands: Commands) -> None:
    commands.run("pulumi", "dev", "preview")

    digests = {each["image"]: NOT_YET for each in matrix().values()} | {"seat": DIGEST}
    assert commands.asked == [
        "pulumi stack select dev",
        *(setting(name, digest) for name, digest in digests.items()),
        "pulumi preview --diff --policy-pack policy",
    ]


def test_an_update_takes_the_images_over_and_signs_them_before_it_runs_them(
    commands: Commands, pushed: Path
) -> None:
    commands.run("pulumi", "dev", "up", "dev.azurecr.io", pushed)

    image = f"prod.azurecr.io/order@{DIGEST}"
    sbom = pushed / "image-order/order.spdx.json"
    assert commands.asked == [
        "pulumi stack select dev",
        "az acr login --name prod",
        f"az acr import --name prod --source dev.azurecr.io/order@{DIGEST} --image order:{'a' * 64} --force",
        f"cosign sign --yes --key azurekms://v/images {image}",
        f"cosign attest --yes --key azurekms://v/images --type spdxjson --predicate {sbom} {image}",
        setting("seat", DIGEST),
        setting("order", DIGEST),
        "pulumi up --yes --skip-preview --policy-pack policy",
    ]


def test_images_that_were_pushed_to_the_stacks_own_registry_are_there_already(
    commands: Commands, pushed: Path
) -> None:
    commands.run("promote", "prod", "prod.azurecr.io", pushed)

    assert commands.asked == []


def test_the_database_is_restarted_only_if_a_parameter_waits_for_it(commands: Commands) -> None:
    quiet = commands.run("restart-database", "dev")
    commands.waiting("max_locks_per_transaction")
    said = commands.run("restart-database", "dev")

    assert quiet == "psql: no parameter waits for a restart\n"
    assert said.startswith("psql: restarted for max_locks_per_transaction")
    assert [each for each in commands.asked if "restart" in each] == [
        "az postgres flexible-server restart --resource-group rg --name psql"
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_says_how_it_is_called(commands: Commands, script: str) -> None:
    asked, given_nothing = commands.answer(script, "--help"), commands.answer(script)

    assert asked.stdout.startswith(f"usage: pipelines/{script} ")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert (given_nothing.returncode, given_nothing.stdout) == (2, "")
    assert given_nothing.stderr == asked.stdout
    assert commands.asked == []


def test_a_command_that_there_is_none_of_is_answered_with_the_usage(commands: Commands) -> None:
    for arguments in (["dev", "destroy"], ["dev", "up"], ["dev", "preview", "x"]):
        assert commands.answer("pulumi", *arguments).returncode == 2

    assert commands.asked == []


def test_digests_of_a_folder_that_is_not_there_are_refused_in_one_sentence(commands: Commands) -> None:
    answer = commands.answer("digests", "dev", "/nowhere")

    assert answer.returncode == 1
    assert answer.stderr == "There is no folder /nowhere: name the one that has the NAME.digest files.\n"
    assert commands.asked == []


def test_what_is_no_digest_goes_into_no_file(commands: Commands, pushed: Path) -> None:
    (pushed / "image-order/order.digest").write_text("sha256:nonsense")

    answer = commands.answer("digests", "dev", pushed)

    assert answer.returncode == 1
    assert answer.stderr.startswith("order.digest says 'sha256:nonsense': a digest is ")
    assert answer.stderr.count("\n") == 1
    assert commands.asked == []


def test_images_are_taken_over_from_a_folder_that_has_some(commands: Commands, tmp_path: Path) -> None:
    answer = commands.answer("promote", "dev", "dev.azurecr.io", tmp_path)

    assert (answer.returncode, commands.asked) == (1, [])
    assert answer.stderr.startswith("There is no NAME.digest in the folders of ")


def test_an_image_is_built_where_attestations_can_be(commands: Commands, tmp_path: Path) -> None:
    commands.run("image", "dev.azurecr.io", "azurekms://v/images", "seat", "some.app:app", "abc", tmp_path)

    image = f"dev.azurecr.io/seat@{DIGEST}"
    login, inspect, create, build, *rest = commands.asked
    assert login == "az acr login --name dev"
    assert (inspect, create) == (
        "docker buildx inspect clinic",
        "docker buildx create --name clinic --driver docker-container",
    )
    assert build.startswith("docker buildx build --builder clinic --pull --provenance=mode=max --sbom=true ")
    assert rest == [
        f"syft scan {image} --output spdx-json={tmp_path}/seat.spdx.json",
        f"cosign sign --yes --key azurekms://v/images {image}",
        f"cosign attest --yes --key azurekms://v/images --type spdxjson --predicate {tmp_path}/seat.spdx.json {image}",
    ]
    assert (tmp_path / "seat.digest").read_text() == f"{DIGEST}\n"


def test_all_images_are_built_and_none_after_one_that_failed(commands: Commands, tmp_path: Path) -> None:
    first, second, *_ = names = [each["image"] for each in matrix().values()]

    commands.run("images", "dev", tmp_path)
    built = [each for each in commands.asked if " buildx build " in each]
    commands.fails_at("syft", second)
    answer = commands.answer("images", "dev", tmp_path)

    assert [re.findall(r"/([a-z-]+):", each) for each in built] == [[name] for name in names]
    again = [each for each in commands.asked if " buildx build " in each][len(built) :]
    assert answer.returncode != 0
    assert [re.findall(r"/([a-z-]+):", each) for each in again] == [[first], [second]]
