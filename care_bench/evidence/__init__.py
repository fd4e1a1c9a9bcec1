"""Claims decided by rules that were fixed before the run: statistics over pretraining seeds, and the ledger of verdicts."""
