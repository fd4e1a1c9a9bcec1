"""What training and evaluation share: a run's folder, weights, building blocks, device and random numbers."""
