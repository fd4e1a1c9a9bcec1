"""The folder of one run: its files, its lock, and the check that the files belong together."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from care_bench.config import RunConfig, read_run
from care_bench.errors import CareBenchError
from care_bench.files import locked, write_json
from care_bench.runs.summary import Summary
from care_bench.untrusted import absent, sha256_of


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run. The state of an unfinished run is in a subfolder of its own."""

    path: Path

    @property
    def encoder(self) -> Path:
        """Weights of the encoder after the last step."""
        return self.path / "encoder.safetensors"

    @property
    def log(self) -> Path:
        """Loss terms of every step, JSON lines."""
        return self.path / "log.jsonl"

    @property
    def config(self) -> Path:
        """The full configuration that the run was trained with."""
        return self.path / "config.json"

    @property
    def summary(self) -> Path:
        """The :class:`Summary` with the hashes of the other files; written last."""
        return self.path / "pretrain.json"

    @property
    def records(self) -> Path:
        """What was measured, one record per metric, JSON lines."""
        return self.path / "records.jsonl"

    @property
    def evaluation(self) -> Path:
        """The hash of the records and all they depend on; written last."""
        return self.path / "evaluate.json"

    @property
    def resamples(self) -> Path:
        """What was measured on halves of the test samples, with a summary beside it as :attr:`records` has one."""
        return self.path / "resamples.jsonl"

    def snapshot(self, epoch: int) -> Path:
        """Weights of the encoder after an epoch, in the format of ``encoder``."""
        return self.path / "snapshots" / f"epoch{epoch}.safetensors"

    def snapshots(self, summary: Summary) -> dict[int, Path]:
        """Return the snapshots of a finished run by epoch, after checking their hashes against the summary's.

        Raises:
            CareBenchError: one is missing or changed.
        """
        found = {}
        for epoch, expected in summary.snapshots.items():
            found[int(epoch)] = path = self.snapshot(int(epoch))
            self._check_file(path, expected)
        return found

    def state(self, config_sha256: str) -> Path:
        """Folder of the unfinished run with this configuration."""
        return self.path / f"state-{config_sha256[:12]}"

    def lock(self, wait: bool = False) -> AbstractContextManager[None]:
        """Keep other processes out of the folder, as :func:`care_bench.files.locked` does."""
        return locked(self.path, wait)

    def claim(self, config: RunConfig) -> None:
        """Make sure that the folder holds no run of another configuration, and complete what a killed process began.

        The caller holds the lock. Files of this configuration that were set aside come back, also those of a move that
        was killed half-way; the configuration file is written again where it alone is missing; temporary files and the
        states of finished runs are deleted.

        Raises:
            CareBenchError: the folder holds another configuration, or its configuration file is damaged.
        """
        self._clean()
        self._complete_moves()
        found, summary = self._found(), self.read_summary()
        if found is not None and found != config.sha256() and summary and summary.config_sha256 == config.sha256():
            raise CareBenchError(
                f"{self.config} was changed: it is config {found[:12]}, its run has config {config.sha256()[:12]}; "
                "delete it, and the same command writes it again"
            )
        if found is not None:
            self._check_config(found, config)
        self._bring_back(self._aside(config.sha256()))
        if not (self.config.exists() or self.summary.exists() or absent(self.records)):
            raise CareBenchError(
                f"{self.path} has records of no run ({self.records.name}), which would be lost; use another folder, or "
                "delete them if they are not needed"
            )
        if not self.config.exists() and (summary := self.read_summary()) is not None:
            self._check_config(summary.config_sha256, config)
            write_json(self.config, config.model_dump(mode="json"))

    def switch_to(self, config: RunConfig, wait: bool = False, data_sha256: str | None = None) -> None:
        """Set aside the files of another configuration, and bring back those of this one where they were set aside.

        Every configuration's files have a subfolder to be set aside in. The state of unfinished runs stays where it is.
        A call that is interrupted is completed by the next one.

        Args:
            config: what the folder is to hold.
            wait: wait for another process that works on the folder.
            data_sha256: of the data; a finished run of this configuration on other data is set aside, too.

        Raises:
            CareBenchError: another process has the folder and ``wait`` is not set, or a file cannot be moved.
        """
        ours = config.sha256()
        with self.lock(wait):
            self._complete_moves()
            found = self._found()
            if found is not None and found != ours:
                self._move(self.path, self._aside(found))
            self._bring_back(self._aside(ours))
            if data_sha256 is None:
                return
            if (summary := self.read_summary()) is not None and summary.data_sha256 != data_sha256:
                aside = self._aside(ours, summary.data_sha256)
                if (aside / self.config.name).exists():  # the same run, which has been trained again since
                    shutil.rmtree(aside)
                self._move(self.path, aside)
            if not self.summary.exists():
                self._bring_back(self._aside(ours, data_sha256))

    def read_summary(self) -> Summary | None:
        """Return the summary of a finished run, or None where there is none.

        Raises:
            CareBenchError: it is damaged.
        """
        return Summary.read(self.summary) if self.summary.exists() else None

    def check(self, config: RunConfig) -> Summary:
        """Return the summary of a finished run after checking that all its files belong to it and are unchanged.

        Raises:
            CareBenchError: the run is not finished or has another configuration; or its weights, log, snapshots or
                configuration file are missing or changed.
        """
        summary = self.read_summary()
        if summary is None:
            raise CareBenchError(
                f"{self.path} holds no finished run: {self.summary.name} is missing; pretrain it first"
            )
        self._check_config(summary.config_sha256, config)
        if self._found() != summary.config_sha256:
            raise CareBenchError(
                f"{self.config} is missing or changed: expected config {summary.config_sha256[:12]}; delete it, and "
                "the command that has pretrained the run writes it again"
            )
        self._check_file(self.encoder, summary.weights_sha256)
        self._check_file(self.log, summary.log_sha256)
        self.snapshots(summary)
        return summary

    def clean_up(self, config: RunConfig) -> None:
        """Delete the state of a run that has finished."""
        shutil.rmtree(self.state(config.sha256()), ignore_errors=True)

    def _check_file(self, path: Path, expected: str) -> None:
        again = f"delete {self.summary} and pretrain the run again"
        if (found := sha256_of(path, again)) != expected:
            raise CareBenchError(
                f"{path} is truncated or changed: sha256 {found[:12]}, expected {expected[:12]}; {again}"
            )

    def _check_config(self, found: str, config: RunConfig) -> None:
        if found != (expected := config.sha256()):
            raise CareBenchError(
                f"{self.path} holds a run of config {found[:12]}, expected config {expected[:12]}; "
                "use another folder, or delete this one if its run is not needed"
            )

    def _found(self) -> str | None:
        """Return the hash of the configuration in the folder, None where there is none."""
        if not self.config.exists():
            return None
        try:
            return read_run(self.config, None).sha256()
        except CareBenchError as error:
            raise CareBenchError(
                f"{error}; this is the copy of a run's configuration: delete {self.config}, and the command that has "
                "pretrained the run writes it again"
            ) from None

    def _aside(self, config_sha256: str, data_sha256: str | None = None) -> Path:
        """Return where the files of another configuration, or of this one on other data, are set aside."""
        name = f"config-{config_sha256[:12]}"
        return self.path / (name if data_sha256 is None else f"{name}-data-{data_sha256[:12]}")

    def _bring_back(self, aside: Path) -> None:
        if aside.exists():
            self._move(aside, self.path)

    def _complete_moves(self) -> None:
        """Set aside the rest of a run on other data: its configuration goes last, and nothing else tells the data."""
        for aside in self.path.glob("config-*-data-*"):
            if not ((aside / self.config.name).exists() or self.summary.exists()):
                self._move(self.path, aside)

    def _move(self, source: Path, target: Path) -> None:
        """Move a run's files. Its summaries are never beside files of another run, and its configuration goes last."""
        halves = self.resamples
        summaries = (self.summary.name, self.evaluation.name, f"{halves.stem}.{self.evaluation.name}")
        others = (self.records.name, halves.name, self.encoder.name, self.log.name, "snapshots")
        back = target == self.path
        names = (self.config.name, *others, *summaries) if back else (*summaries, *others, self.config.name)
        try:
            target.mkdir(exist_ok=True)
            for name in names:
                if (source / name).exists():
                    (source / name).replace(target / name)
            if back:
                _delete_temporary(source)
                source.rmdir()
        except OSError as error:
            raise CareBenchError(f"cannot move {error.filename} to {target}: {error.strerror}") from None

    def _clean(self) -> None:
        """Delete what killed processes have left: temporary files, and the states of finished runs."""
        states = list(self.path.glob("state-*"))
        for folder in (self.path, self.path / "snapshots", *states, *self.path.glob("config-*")):
            _delete_temporary(folder)
        if self.summary.exists() and (summary := self.read_summary()) is not None:
            shutil.rmtree(self.state(summary.config_sha256), ignore_errors=True)
        for state in states:
            if (self.path / f"config-{state.name.removeprefix('state-')}" / self.summary.name).exists():
                shutil.rmtree(state, ignore_errors=True)


def _delete_temporary(folder: Path) -> None:
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
