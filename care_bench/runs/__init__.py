"""What training and evaluation share: the folder of a run, its weights, how it is built, its device and randomness."""
