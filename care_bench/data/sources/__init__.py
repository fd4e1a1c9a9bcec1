"""The data sets: one file each, with the entry that the registry lists."""
