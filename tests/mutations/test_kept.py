"""Errors planted in what keeps finished work: folders of runs, jobs, and records of imported encoders."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

FOLDER = ("runs/test_folder.py",)
OUT = ("imported/test_out.py",)
JOBS = ("jobs",)
PRETRAIN = ("training/test_pretrain.py",)
RESAMPLES = ("evaluation/test_resamples.py",)
MUTANTS = (
    Mutant(
        "a run on other data is trained over",
        "runs/folder.py",
        "if (summary := self.read_summary()) is not None and summary.data_sha256 != data_sha256:",
        "if False:",
        FOLDER,
    ),
    Mutant(
        "a run on other data is not brought back",
        "runs/folder.py",
        "                self._bring_back(self._aside(ours, data_sha256))\n",
        "                pass\n",
        FOLDER,
    ),
    Mutant(
        "an interrupted move to other data is not completed",
        "runs/folder.py",
        "            self._complete_moves()\n            found",
        "            found",
        FOLDER,
    ),
    Mutant(
        "an interrupted move is not completed before a training",
        "runs/folder.py",
        "        self._clean()\n        self._complete_moves()\n",
        "        self._clean()\n",
        FOLDER,
    ),
    Mutant(
        "records of an imported encoder are trained over",
        "runs/folder.py",
        "or absent(self.records)):",
        "or True):",
        FOLDER,
    ),
    Mutant(
        "measuring writes into the folder of a run",
        "measure.py",
        "if found := [file.name for file in (run.config, run.summary) if not absent(file)]:",
        "if found := []:",
        OUT,
    ),
    Mutant("measuring replaces records of a run", "measure.py", "if first.method != IMPORTED:", "if False:", OUT),
    Mutant(
        "a folder is not looked at again under its lock",
        "evaluation/imported.py",
        "                refuse()\n",
        "                pass\n",
        OUT,
    ),
    Mutant(
        "a job does not look at the data of its finished runs",
        "jobs.py",
        "wait=True, data_sha256=load(config.dataset, data).sha256)",
        "wait=True)",
        JOBS,
    ),
    Mutant(
        "an error of one run stops the job",
        "jobs.py",
        "        except Exception as error:\n            line = line_of(error) or",
        "        except CareBenchError as error:\n            line = line_of(error) or",
        JOBS,
    ),
    Mutant(
        "a finished run counts on any data",
        "training/pretrain.py",
        "if (now := load(config.dataset, data).sha256) != summary.data_sha256:",
        "if (now := summary.data_sha256) != summary.data_sha256:",
        PRETRAIN,
    ),
    Mutant(
        "a run on several devices is not claimed before its ranks start",
        "training/pretrain.py",
        "        elif rank is None:\n",
        "        elif rank == -1:\n",
        PRETRAIN,
    ),
    Mutant(
        "halves of other rules are kept",
        "evaluation/resamples.py",
        '"wanted": [f"{one} {draws}" for one, draws in wanted.items()]',
        '"wanted": []',
        RESAMPLES,
    ),
    Mutant("another number of halves is kept", "evaluation/resamples.py", '"halves": number', '"halves": 0', RESAMPLES),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
