"""A method, a data set and an evaluation for care_bench, each found through an entry point of pyproject.toml."""
