"""The pipeline's scripts, with programs in the places of pulumi, az and cosign that write down what they are asked."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from infra.images import IMAGE_DIGESTS, NOT_YET, matrix
from infra.recording import ROOT

DIGEST = f"sha256:{'a' * 64}"
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
        self.waiting("")

    def waiting(self, parameters: str) -> None:
        self._stand_in("az", f"*'parameter list'*) echo {parameters};;\n")

    def _stand_in(self, name: str, answers: str) -> None:
        file = self.folder / "bin" / name
        log = f'echo "{name} $*" >>{self.folder}/asked\n'
        file.write_text(f'#!/bin/sh\n{log}case "$*" in\n{answers}*) ;;\nesac\n')
        file.chmod(0o755)

    def run(self, script: str, *arguments: object) -> str:
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        answer = subprocess.run(
            [ROOT / "pipelines" / script, *map(str, arguments)],
            check=True,
            env=environment,
            capture_output=True,
            text=True,
        )
        return answer.stdout

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
