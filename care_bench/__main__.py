"""``python -m care_bench`` is the command ``care-bench``; from the repository's root it needs no installation."""

from care_bench.terminal import run


def main() -> None:
    """Run the command line."""
    run("care_bench.cli", "care-bench")


if __name__ == "__main__":
    main()
