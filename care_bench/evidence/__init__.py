"""Claims decided by rules that were fixed before the run: statistics over seeds, and the ledger of verdicts."""
