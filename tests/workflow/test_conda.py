"""Jobs in conda environments: with a stand-in for conda, whose environments have the pinned packages and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workflow import stand_in_conda
from tests.workflow.conftest import Edit, Workflow


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stand-in that is the only conda in the PATH."""
    folder = tmp_path / "conda"
    monkeypatch.setenv("PATH", os.pathsep.join((str(stand_in_conda.install(folder)), "/usr/bin", "/bin")))
    monkeypatch.delenv("BASH_FUNC_conda%%", raising=False)
    return folder


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    folder = tmp_path / "work"
    folder.mkdir()
    return Workflow(folder)


@pytest.mark.long
def test_a_profile_runs_through_in_its_environments(
    conda: Path, workflow: Workflow, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "")  # jobs find the package of the checkout without it
    profile = edit()
    del profile["datasets"]["digits"]["methods"]["care"]
    ended = workflow.run(profile, "--cores", "all", "--use-conda", "--show-failed-logs")
    assert ended.returncode == 0, ended.stderr
    assert (workflow.folder / "results/report/tiny-steps2/report.md").exists()
    made = {Path(line) for line in (conda / "activated").read_text().splitlines()}
    assert {path.parent for path in made} == {workflow.folder / ".snakemake/conda"}
    assert len(made) == 3  # data, train, report
    assert all((path / "bin/python").exists() for path in made)

    again = workflow.run(profile, "--cores", "all", "--use-conda")
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stderr


@pytest.mark.parametrize("options", ["--use-conda", "--use-conda -n", "--software-deployment-method conda"])
def test_without_conda_one_line_says_what_to_do(options: str, conda: Path, workflow: Workflow, edit: Edit) -> None:
    (conda / "bin" / "conda").unlink()
    ended = workflow.run(edit(), *options.split())
    assert ended.returncode == 1
    said = "needs the command conda, 24.7.1 or newer, and there is none in the PATH; install Miniforge"
    assert said in ended.stderr + ended.stdout  # a dry run complains on standard output
    assert not (workflow.folder / "results").exists()
    ended = workflow.run(edit(), "-n")
    assert ended.returncode == 0, ended.stderr


def test_an_old_conda_is_named(conda: Path, workflow: Workflow, edit: Edit) -> None:
    command = conda / "bin" / "conda"
    command.write_text(command.read_text().replace("24.7.1", "23.1.0"))
    ended = workflow.run(edit(), "--use-conda")
    assert ended.returncode == 1
    assert "Conda must be version 24.7.1 or later, found version 23.1.0" in ended.stderr
