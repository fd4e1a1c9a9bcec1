"""``python -m care_bench`` is the command ``care-bench``; from the repository's root it needs no installation."""

from care_bench.cli import main

if __name__ == "__main__":
    main()
