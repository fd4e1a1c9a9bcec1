"""From raw files to prepared arrays: parallel conversion, files of finished work, and the store."""
