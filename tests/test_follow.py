"""Snakemake's output as one line of progress, with errors left as they are."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "care_bench.follow")
RUN = """Assuming unrestricted shared filesystem usage.
Building DAG of jobs...
Provided cores: 2
Job stats:
job                    count
-------------------  -------
configure                  9
total                     38

Select jobs to execute...
Execute 2 jobs...
[Thu Nov 26 14:02:29 2026]
Finished jobid: 17 (Rule: evaluation_settings)
"""


def followed(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, "sh", "-c", script], capture_output=True, text=True, check=False)


def test_steps_are_a_few_lines_and_the_rest_of_snakemake_s_is_none() -> None:
    steps = (
        "".join(f"{done} of 40 steps ({done * 100 // 40}%) done\n" for done in range(1, 41))
        + "Elapsed time: 0:04:02.199213\n"
    )
    ended = followed(f"printf '%s' '{RUN}{steps}Complete log(s): /somewhere\n' >&2")
    assert ended.returncode == 0
    lines = ended.stderr.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("workflow: jobs 4/40")
    assert lines[-1].startswith("workflow: jobs 40/40")
    assert ended.stdout == ""


def test_no_time_left_is_told_before_the_first_steps_say_something_of_the_others() -> None:
    ended = followed("for done in 1 2 3 4; do echo $done of 4 steps \\(100%\\) done; done")
    assert ended.stderr.splitlines() == [f"workflow: jobs {done}/4" for done in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "line",
    [
        "Error in rule pretrain:",
        "    message: None",
        "care-bench: data set 'digits' is not prepared in results/data",
        "WorkflowError:",
        "Exiting because a job execution failed. Look below for error messages",
    ],
)
def test_what_goes_wrong_is_printed_with_its_exit_code(line: str) -> None:
    ended = followed(f"printf '%s\\n' '{RUN}1 of 4 steps (25%) done' \"$0\" >&2; exit 3".replace("$0", line))
    assert ended.returncode == 3
    assert line in ended.stderr.splitlines()


def test_a_signal_is_passed_on_and_its_end_is_waited_for() -> None:
    script = "trap 'echo stopped cleanly; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen([*COMMAND, "sh", "-c", script], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == "stopped cleanly\n"
        assert process.wait() == 7


def test_a_command_that_a_signal_ends_counts_as_in_a_shell() -> None:
    assert followed("kill -KILL $$").returncode == 137


def test_after_a_command_that_failed_comes_the_last_line_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "prepare.log"
    log.write_text("raw data: 1 of 3\ncare-bench: cifar10: no archive; expected one\n\n")
    command = f"Command 'python -m care_bench prepare > {log} 2>&1' returned non-zero exit status 2."
    lost = f"Command 'x > {tmp_path / 'none.log'} 2>&1' returned non-zero exit status 1."
    output = tmp_path / "output"
    output.write_text(f"{command}\nCannot restore results/meta.json: no backup found.\n{lost}\n")
    ended = followed(f"cat {output}")
    assert ended.stderr.splitlines() == [command, f"{log}: care-bench: cifar10: no archive; expected one", lost]
