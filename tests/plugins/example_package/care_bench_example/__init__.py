"""A method, a data set, an evaluation and a backbone for care_bench, found through entry points."""
