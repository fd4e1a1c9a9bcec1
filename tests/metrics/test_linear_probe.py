from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import nn

from care_bench.metrics import LinearProbe, cached_linear_probe, linear_probe
from care_bench.metrics.linear_probe import RECIPES, train_classifiers


def blobs(n, d, classes, seed, spread=1.0, dtype=torch.float64):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((classes, d))
    labels = generator.integers(classes, size=n)
    features = centres[labels] + spread * generator.standard_normal((n, d))
    return torch.from_numpy(features).to(dtype), torch.from_numpy(labels)


def plain_training(features, labels, classes, seed):
    """Train one classifier as a torch module: shuffled batches of 512, Adam, 100 epochs."""
    torch.manual_seed(seed)
    layer = nn.Linear(features.shape[1], classes, dtype=features.dtype)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.001, weight_decay=0.000001)
    criterion = nn.CrossEntropyLoss()
    for _ in range(100):
        for rows in torch.randperm(len(features)).split(512):
            optimizer.zero_grad()
            criterion(layer(features[rows]), labels[rows]).backward()
            optimizer.step()
    return layer


def training_of_moco(features, labels, classes, seed):
    """Train one classifier as in MoCo's linear evaluation, with CARE's 60 epochs, batch size and learning rates."""
    layer = nn.Linear(features.shape[1], classes, dtype=features.dtype)
    torch.manual_seed(seed)
    layer.weight.data.normal_(mean=0.0, std=0.01)
    layer.bias.data.zero_()
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9, weight_decay=0)
    for epoch in range(60):
        optimizer.param_groups[0]["lr"] = 30 if epoch < 30 else 3 if epoch < 40 else 0.3 if epoch < 50 else 0.03
        for rows in torch.randperm(len(features)).split(128):
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(layer(features[rows]), labels[rows]).backward()
            optimizer.step()
    return layer


def test_all_seeds_at_once_agree_with_a_module_for_each():
    features, labels = blobs(1100, 6, 4, 0)  # batches of 512, 512 and 76
    test_features, test_labels = blobs(500, 6, 4, 1)
    seeds = (3, 0, 7)
    weight, bias = train_classifiers(features, labels, 4, seeds)
    probe = linear_probe(features, labels, test_features, test_labels, 4, seeds)
    with torch.random.fork_rng():
        layers = [plain_training(features, labels, 4, seed) for seed in seeds]
    for i, layer in enumerate(layers):
        assert weight[i].numpy() == pytest.approx(layer.weight.detach().numpy().T, abs=1e-9)
        assert bias[i].numpy() == pytest.approx(layer.bias.detach().numpy(), abs=1e-9)
        accuracy = 100 * np.mean(layer(test_features).argmax(dim=1).numpy() == test_labels.numpy())
        assert probe.top1[i] == pytest.approx(accuracy, abs=1e-9)
    assert probe.protocol == "paper-small-v1"


def test_the_recipe_for_imagenet100():
    # With small features the classifiers converge, and rounding does not grow from step to step.
    features, labels = (x[:300] * scale for x, scale in zip(blobs(300, 5, 3, 0), (0.05, 1), strict=True))
    test_features, test_labels = (x * scale for x, scale in zip(blobs(200, 5, 3, 1), (0.05, 1), strict=True))
    seeds, protocol = (5, 2), "paper-imagenet100-v1"
    weight, bias = train_classifiers(features, labels, 3, seeds, protocol)
    probe = linear_probe(features, labels, test_features, test_labels, 3, seeds, protocol)
    with torch.random.fork_rng():
        layers = [training_of_moco(features, labels, 3, seed) for seed in seeds]
    for i, layer in enumerate(layers):
        assert weight[i].numpy() == pytest.approx(layer.weight.detach().numpy().T, abs=1e-7)
        assert bias[i].numpy() == pytest.approx(layer.bias.detach().numpy(), abs=1e-7)
        accuracy = 100 * np.mean(layer(test_features).argmax(dim=1).numpy() == test_labels.numpy())
        assert probe.top1[i] == pytest.approx(accuracy, abs=1e-9)
    assert probe.protocol == protocol
    small, _ = train_classifiers(features, labels, 3, seeds)
    assert not np.allclose(small, weight, atol=0.1)


def test_initial_weights_of_the_recipe_for_imagenet100(monkeypatch):
    # With a learning rate of zero the classifiers keep their initial weights.
    still = replace(RECIPES["paper-imagenet100-v1"], epochs=1, optimizer=partial(torch.optim.SGD, lr=0.0))
    monkeypatch.setitem(RECIPES, "paper-imagenet100-v1", still)
    features, labels = torch.zeros(10, 500, dtype=torch.float64), torch.arange(10) % 10
    weight, bias = train_classifiers(features, labels, 100, (0, 1), "paper-imagenet100-v1")
    assert bias.abs().max() == 0
    for one in weight.numpy():
        # 50,000 draws: the standard errors of mean and deviation are 0.01 / sqrt(50,000) = 4.5e-5 and 3.2e-5.
        assert one.mean() == pytest.approx(0, abs=2e-4)
        assert one.std() == pytest.approx(0.01, abs=2e-4)
        assert scipy.stats.kstest(one.ravel() / 0.01, "norm").pvalue > 1e-3
    assert not np.allclose(weight[0], weight[1], atol=1e-3)


def test_classifiers_that_diverge_have_no_accuracy():
    features, labels = blobs(100, 5, 3, 0, dtype=torch.float32)
    with pytest.raises(ValueError, match="the classifiers of seeds 4, 1 have diverged under paper-imagenet100-v1"):
        linear_probe(1e30 * features, labels, features, labels, 3, (4, 1), "paper-imagenet100-v1")


def test_a_classifier_does_not_depend_on_the_other_seeds():
    features, labels = blobs(600, 5, 3, 0, dtype=torch.float32)
    together, _ = train_classifiers(features, labels, 3, (0, 1, 2))
    alone, _ = train_classifiers(features, labels, 3, (1,))
    assert together[1].numpy() == pytest.approx(alone[0].numpy(), abs=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_mean_and_spread():
    probe = LinearProbe("paper-small-v1", (90.0, 91.0, 95.0))
    assert probe.mean == pytest.approx(92)
    assert probe.spread == pytest.approx(np.sqrt((4 + 1 + 9) / 2))
    assert LinearProbe("cached-v1", (90.0,)).spread is None


def test_trains_under_no_grad():
    features, labels = blobs(100, 5, 3, 0)
    with torch.random.fork_rng():
        layer = plain_training(features, labels, 3, 4)
    with torch.inference_mode():
        inferred = features * 1.0
    with torch.no_grad():
        weight, _ = train_classifiers(inferred, labels, 3, (4,))
    assert weight[0].numpy() == pytest.approx(layer.weight.detach().numpy().T, abs=1e-9)


def test_cached_probe_minimises_the_documented_objective():
    features, labels = blobs(300, 4, 3, 0, spread=1.5)
    test_features, test_labels = blobs(400, 4, 3, 1, spread=1.5)
    x, y, test_x = (array.numpy() for array in (features, labels, test_features))
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    x, test_x = (x - mean) / deviation, (test_x - mean) / deviation

    def objective(parameters):
        weight, bias = parameters[:12].reshape(4, 3), parameters[12:]
        logits = x @ weight + bias
        return (logsumexp(logits, axis=1) - logits[np.arange(300), y]).sum() + (weight**2).sum() / 2

    best = minimize(objective, np.zeros(15), method="BFGS").x
    predicted = (test_x @ best[:12].reshape(4, 3) + best[12:]).argmax(axis=1)
    probe = cached_linear_probe(features, labels, test_features, test_labels, 3)
    assert probe.protocol == "cached-v1"
    assert probe.top1 == (pytest.approx(100 * np.mean(predicted == test_labels.numpy()), abs=1e-9),)


def test_cached_probe_is_invariant_to_shift_and_scale_of_the_features():
    features, labels = blobs(300, 4, 3, 0, spread=1.5)
    test_features, test_labels = blobs(400, 4, 3, 1, spread=1.5)
    scale = torch.tensor([1e-3, 1.0, 50.0, 1e4], dtype=torch.float64)
    plain = cached_linear_probe(features, labels, test_features, test_labels, 3)
    moved = cached_linear_probe(features * scale + 7, labels, test_features * scale + 7, test_labels, 3)
    assert moved == plain


@pytest.mark.parametrize("probe", [linear_probe, cached_linear_probe])
def test_refuses(probe):
    features, labels = torch.eye(4), torch.tensor([0, 1, 2, 1])
    wrong = [
        ((features, labels[:3], features, labels, 3), r"train labels have shape \(3,\); expected \(4,\)"),
        ((features, labels, features, labels + 1, 3), r"test labels run from 1 to 3; expected them in \[0, 3\)"),
        ((features, labels.float(), features, labels, 3), "train labels have dtype torch.float32"),
        ((features, labels, features[:, :2], labels, 3), "train features have 4 columns and test 2"),
        ((features / 0, labels, features, labels, 3), "train features holds 16 of 16 values that are not finite"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ValueError, match=message):
            probe(*arguments)


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_refuses_the_seeds(seeds):
    with pytest.raises(ValueError, match="seeds are"):
        linear_probe(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor([0, 1]), 2, seeds)


def test_refuses_a_protocol_without_a_recipe():
    with pytest.raises(ValueError, match="protocol is 'cached-v1'; expected one of paper-small-v1, paper-imagenet100"):
        linear_probe(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor([0, 1]), 2, protocol="cached-v1")


def test_cached_probe_refuses_a_single_class():
    ones = torch.ones(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="train labels are all 1; expected at least 2 classes"):
        cached_linear_probe(torch.eye(2), ones, torch.eye(2), ones, 3)
