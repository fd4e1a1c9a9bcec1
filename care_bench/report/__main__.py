"""``python -m care_bench.report results/``: print the tables of a results folder and write them to files."""

from care_bench.terminal import run


def main() -> None:
    """Run the command line."""
    run("care_bench.report.command", "care_bench.report")


if __name__ == "__main__":
    main()
