from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from care_bench.metrics import Predicted, augmentation_prediction


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def measure(x, y, test_x, test_y, acts=None, test_acts=None):
    acts = np.ones(len(x), dtype=bool) if acts is None else acts
    test_acts = np.ones(len(test_x), dtype=bool) if test_acts is None else test_acts
    return augmentation_prediction(*map(torch.from_numpy, (x, y, acts, test_x, test_y, test_acts)))


@pytest.mark.parametrize("p", [7, 120])  # fewer and more than samples
def test_agrees_with_scikit_learn(p):
    weight = draw((p, 2), 5)
    x, test_x = draw((100, p), 0) * np.linspace(1, 9, p) + 3, draw((60, p), 1) * np.linspace(1, 9, p) + 3
    y, test_y = x @ weight + [5, 90] * draw((100, 2), 2), test_x @ weight + [5, 90] * draw((60, 2), 3)
    found = measure(x, y, test_x, test_y)
    held = np.arange(100) % 5 == 0

    def predicted(fit, factor, penalty, rows):
        scaler = StandardScaler().fit(x[fit])
        ridge = Ridge(alpha=penalty * fit.sum()).fit(scaler.transform(x[fit]), y[fit, factor])
        return ridge.predict(scaler.transform(rows))

    chosen = []
    for factor in range(2):
        penalties = [10.0**power for power in range(-4, 6)]
        errors = [((predicted(~held, factor, one, x[held]) - y[held, factor]) ** 2).mean() for one in penalties]
        chosen.append(penalties[int(np.argmin(errors))])
        expected = r2_score(test_y[:, factor], predicted(held | ~held, factor, chosen[-1], test_x))
        assert found[factor].r2 == pytest.approx(expected, rel=1e-6)
        assert found[factor].n == 60
    assert chosen[0] < chosen[1], "more noise asks for a larger penalty"


def test_a_factor_that_the_features_hold_is_read_and_another_one_is_not():
    y, test_y, noise = draw((500, 2), 0), draw((500, 2), 1), draw((2, 500, 3), 2)
    x, test_x = np.hstack([y[:, :1], noise[0]]), np.hstack([test_y[:, :1], noise[1]])
    kept, lost = measure(x, y, test_x, test_y)
    assert kept.r2 == pytest.approx(1, abs=1e-6)
    assert lost.r2 == pytest.approx(0, abs=0.05)


def test_only_draws_in_which_the_factor_acts_count():
    x, test_x = draw((400, 2), 0), draw((400, 2), 1)
    y, test_y = x[:, :1].copy(), test_x[:, :1].copy()
    acts = np.arange(400) % 2 == 0
    y[~acts] = test_y[~acts] = 1e3
    (found,) = measure(x, y, test_x, test_y, acts, acts)
    assert found.r2 == pytest.approx(1, abs=1e-6)
    assert found.n == 200


def test_a_factor_without_draws_or_variation_has_a_reason():
    x, y = draw((50, 2), 0), np.stack([np.full(50, 0.3), np.arange(50.0)], axis=1)
    constant, varying = measure(x, y, x, y)
    assert constant == "it is the same in all draws"
    assert isinstance(varying, Predicted)
    few = np.arange(50) < 19
    assert measure(x, y, x, y, few) == ("it acts in 19 draws of a split; expected at least 20",) * 2


def test_refuses_what_does_not_match():
    x, y = torch.ones(30, 2), torch.ones(30, 1)
    with pytest.raises(ValueError, match="train factors and acts have shapes"):
        augmentation_prediction(x, y[:9], y[:, 0] > 0, x, y, y[:, 0] > 0)
    with pytest.raises(ValueError, match="train has 2 features, 1 factors; test 1, 1; expected as many"):
        augmentation_prediction(x, y, y[:, 0] > 0, x[:, :1], y, y[:, 0] > 0)
