"""The folder of one run: its files, its lock, and the check that the files belong together."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_bench.config import RunConfig, read_run
from care_bench.errors import CareBenchError
from care_bench.files import locked, sha256_file


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
        """Steps, speed, device, version of torch, and the hashes of the other files; written last."""
        return self.path / "pretrain.json"

    @property
    def records(self) -> Path:
        """What was measured, one record per metric, JSON lines."""
        return self.path / "records.jsonl"

    @property
    def evaluation(self) -> Path:
        """The hash of the records and all they depend on; written last."""
        return self.path / "evaluate.json"

    def snapshot(self, epoch: int) -> Path:
        """Weights of the encoder after an epoch, in the format of ``encoder``."""
        return self.path / "snapshots" / f"epoch{epoch}.safetensors"

    def snapshots(self, summary: dict[str, Any]) -> dict[int, Path]:
        """Return the snapshots of a finished run by epoch, after checking their hashes against the summary's.

        Raises:
            CareBenchError: one is missing or changed.
        """
        found = {}
        for epoch, expected in summary.get("snapshots", {}).items():
            found[int(epoch)] = path = self.snapshot(int(epoch))
            if (digest := _weights_sha256(path)) != expected:
                raise CareBenchError(
                    f"{path} is truncated or changed: sha256 {digest[:12]}, expected {expected[:12]}; "
                    f"delete {self.summary.name} and pretrain the run again"
                )
        return found

    def state(self, config_sha256: str) -> Path:
        """Folder of the unfinished run with this configuration."""
        return self.path / f"state-{config_sha256[:12]}"

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes out of the folder, as :func:`care_bench.files.locked` does."""
        return locked(self.path)

    def check_unclaimed(self, config: RunConfig) -> None:
        """Check that the folder holds no run of another configuration.

        Raises:
            CareBenchError: the folder holds another configuration.
        """
        if self.config.exists():
            self._check_config(read_run(self.config, None).sha256(), config)

    def switch_to(self, config: RunConfig) -> None:
        """Set aside the files of another configuration, and bring back those of this one where they were set aside.

        Every configuration's files have a subfolder to be set aside in. The state of unfinished runs stays where it is.
        A call that is interrupted is completed by the next one.

        Raises:
            CareBenchError: another process has the folder, or a file cannot be moved.
        """
        with self.lock():
            found = read_run(self.config, None).sha256() if self.config.exists() else None
            if found not in (None, config.sha256()):
                self._move(self.path, self._aside(found))
            if self._aside(config.sha256()).exists():
                self._move(self._aside(config.sha256()), self.path)

    def _aside(self, config_sha256: str) -> Path:
        return self.path / f"config-{config_sha256[:12]}"

    def _move(self, source: Path, target: Path) -> None:
        """Move a run's files. Its summaries are never beside files of another run, and its configuration goes last."""
        summaries = (self.summary.name, self.evaluation.name)
        others = (self.records.name, self.encoder.name, self.log.name, "snapshots")
        back = target == self.path
        names = (self.config.name, *others, *summaries) if back else (*summaries, *others, self.config.name)
        try:
            target.mkdir(exist_ok=True)
            for name in names:
                if (source / name).exists():
                    (source / name).replace(target / name)
            if back:
                source.rmdir()
        except OSError as error:
            raise CareBenchError(f"cannot move {error.filename} to {target}: {error.strerror}") from None

    def read_summary(self) -> dict[str, Any] | None:
        """Return the summary of a finished run, or None where there is none."""
        try:
            content = json.loads(self.summary.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CareBenchError(f"{self.summary} cannot be read: {error}; expected the summary of a run") from None
        if not isinstance(content, dict) or not {"config_sha256", "weights_sha256", "data_sha256"} <= set(content):
            raise CareBenchError(f"{self.summary} is not the summary of a run: expected its hashes")
        return content

    def check(self, config: RunConfig) -> dict[str, Any]:
        """Return the summary of a finished run after checking that its files belong to it.

        Raises:
            CareBenchError: the run is not finished, has another configuration, or its weights have changed.
        """
        summary = self.read_summary()
        if summary is None:
            raise CareBenchError(
                f"{self.path} holds no finished run: {self.summary.name} is missing; pretrain it first"
            )
        self._check_config(summary["config_sha256"], config)
        found = _weights_sha256(self.encoder)
        if found != summary["weights_sha256"]:
            raise CareBenchError(
                f"{self.encoder} is truncated or changed: sha256 {found[:12]}, expected "
                f"{summary['weights_sha256'][:12]}; delete {self.summary.name} and pretrain the run again"
            )
        return summary

    def _check_config(self, found: str, config: RunConfig) -> None:
        if found != (expected := config.sha256()):
            raise CareBenchError(
                f"{self.path} holds a run of config {found[:12]}, expected config {expected[:12]}; "
                "delete it or use another folder"
            )


def _weights_sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise CareBenchError(f"cannot read {path}: {error.strerror}; pretrain the run again") from None
