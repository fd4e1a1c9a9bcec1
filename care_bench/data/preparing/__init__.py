"""From raw files to prepared arrays: reading, keeping what is finished, and writing the store."""
