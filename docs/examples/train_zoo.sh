#!/bin/sh
# Train the checkpoints of workflows/config/zoo.yaml with lightly, some minutes on two cores.
set -eu
for dataset in digits fashion_mnist; do
    for method in simclr barlow_twins supervised; do
        out="results/zoo/$dataset-$method.pth"
        [ -f "$out" ] || python docs/examples/train_simclr.py "$dataset" "$method" "$out" --steps "${STEPS:-150}"
    done
done
