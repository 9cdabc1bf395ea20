"""What scripts/preview writes is whole or not there, and what it is asked wrongly is one sentence."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.preview import INDEX, PreviewError, main, write_manifests
from infra.recording import ROOT, Program

SETTINGS = (ROOT / "Pulumi.local.yaml").read_text()

WRONG_FILES: list[tuple[str | bytes, str]] = [
    ("", " has no settings: write them below config:, as Pulumi.local.yaml does"),
    ("config:", " has no settings: write them"),
    ("a: 1", " has no settings: write them"),
    ("- a", " has no settings: write them"),
    ("word", " has no settings: write them"),
    ("config: [1]", " has no settings: write them"),
    ("config: {1: 2}", ": the key 1 of config is no text: write one like clinic:target"),
    ("a: [1", ", line 1: expected ',' or ']', but got '<stream end>': mend the YAML there"),
    ("config:\n  a: !ours b", ", line 2: no setting has a tag like !ours: take it out"),
    ("a: 1\n---\nb: 1\n", ", line 2: but found another document: mend the YAML there"),
    (b"\x00\xff\x10", " is no text: name a stack's file"),
    ("config: &a [*a]", " has what no setting can be"),
    ("config: {clinic:x: .nan}", " has what no setting can be"),
    ("x: " + "[" * 5000, " has what no setting can be"),
    ("config: {clinic:x: 2026-11-01}", ", line 1: 2026-11-01 is read as a date: put it in quotes"),
    (f"{SETTINGS}  clinic:kafka: {{ nodes: 3 }}\n", ", line 15: clinic:kafka is there twice: keep one"),
    (
        SETTINGS.replace("storage: 2Gi", "storage: 2Gi, storage: 3Gi"),
        ", line 5: storage is there twice: keep one",
    ),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG_FILES, ids=[each[1][:40] for each in WRONG_FILES])
def test_a_wrong_file_is_one_sentence_and_nothing_is_written(
    content: str | bytes, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    status = main([str(file), "--out", str(tmp_path / "out")])

    said = capsys.readouterr()
    assert status == 1
    assert said.err.startswith(f"{file}{sentence}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("stack", "sentence"),
    [
        ("nowhere", "there is no stack nowhere: say dev, local, prod or the path of a stack's file"),
        ("", "there is no stack without a name: say dev, local, prod or the path of a stack's file"),
        ("x.yml", "there is no file x.yml: say dev, local, prod or the path of a stack's file"),
        ("./infra", "infra can't be read (Is a directory): name a stack's file"),
    ],
)
def test_a_stack_that_is_none_is_one_sentence(
    stack: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    assert main([stack]) == 1
    assert capsys.readouterr().err == f"{sentence}\n"


def test_manifests_are_written_in_order_and_an_earlier_previews_go(local: Program, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "999-gone.yaml").write_text("kind: Gone\n")
    (folder / INDEX).write_text("999-gone.yaml\n")

    files = write_manifests(local, folder)

    assert sorted(folder.iterdir()) == [*files, folder / INDEX]
    assert list(tmp_path.iterdir()) == [folder]
    kinds = [yaml.safe_load(file.read_text())["kind"] for file in files]
    assert kinds.index("Namespace") < kinds.index("Deployment")
    assert len(files) == len(list(local.manifests()))


def test_what_no_preview_wrote_stays(local: Program, tmp_path: Path) -> None:
    (tmp_path / "001-mine.yaml").write_text("kind: Mine\n")

    with pytest.raises(PreviewError) as refused:
        write_manifests(local, tmp_path)

    assert str(refused.value) == (
        f"{tmp_path} has 001-mine.yaml, which no preview wrote: name a new folder, or take out what is in it"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["001-mine.yaml"]


def test_a_disk_that_takes_no_more_leaves_the_earlier_set(local: Program, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    earlier = write_manifests(local, folder)

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(PreviewError) as refused:
            write_manifests(local, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert str(refused.value) == (
        f"the manifests can't be written to {folder} (File too large): mend that, or name another folder"
    )
    assert sorted(folder.iterdir()) == [*earlier, folder / INDEX]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_or_nothing_in_place_of_the_folder_is_one_sentence(local: Program, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.touch()

    with pytest.raises(PreviewError, match=r"README.md is no folder that can be read: name another one$"):
        write_manifests(local, file)
    with pytest.raises(PreviewError, match=r"^--out names no folder: say where to write$"):
        write_manifests(local, "")


def test_paths_are_the_callers_made_up_digests_are_said_and_a_reader_may_leave_early(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
    command = f"{sys.executable} -P -m infra.preview Pulumi.mine.yaml"

    answer = subprocess.run(
        ["bash", "-c", f"{command} --out out | head -1; {command} | tail -1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    first, last = answer.stdout.splitlines()
    assert first.startswith("mine: ")
    assert last == "mine has no clinic:images.digests: those of its images are made up here"
    assert answer.stderr == ""
    assert (tmp_path / "out" / INDEX).exists()
