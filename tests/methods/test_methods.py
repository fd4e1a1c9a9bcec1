"""Properties of every method: settings, views, and initial weights that depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from care_bench.config import METHOD_SETTINGS, MethodSettings
from care_bench.config.backbones import DeepSetSettings
from care_bench.config.run import EncoderConfig, ProjectorConfig
from care_bench.errors import CareBenchError
from care_bench.methods import METHODS, Method
from care_bench.models import Encoder, build_encoder
from tests.trained import TRAINED

Build = Callable[..., Method]
Settings = Callable[..., MethodSettings]

RANDOM = ("moco_v2", "byol", "equimod", "augself", "parameter_prediction")
"""Methods with a random initial state: a queue or a predictor."""


@pytest.fixture
def encoder() -> Encoder:
    backbone = DeepSetSettings(name="deepset", width=6)
    return build_encoder(EncoderConfig(backbone=backbone, projector=ProjectorConfig(hidden=(5,), output=4)), 3, seed=3)


def test_methods_and_settings_have_the_same_names(build: Build) -> None:
    assert set(METHODS) == set(METHOD_SETTINGS)
    for name, cls in METHODS.items():
        assert issubclass(METHOD_SETTINGS[name], cls.Settings)
        assert type(build(name)) is cls


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("simclr", {}, (16, 16)),
        ("moco_v2", {}, (16, 16)),
        ("moco_v2", {"symmetric": True}, (16, 16)),
        ("byol", {}, (16, 16)),
        ("barlow_twins", {}, (16, 16)),
        ("equimod", {}, (0, 16, 16)),
        ("equimod", {"base": {"name": "byol"}}, (0, 16, 16)),
        ("augself", {}, (16, 16)),
        ("parameter_prediction", {}, (16, 16)),
        ("invariance", {}, (16, 16)),
        ("uniformity", {}, (16,)),
        ("care", {}, (16, 16, 4, 4)),
        ("care", {"base": {"name": "moco_v2", "queue": 16}}, (16, 16, 4, 4)),
        ("care", {"sharing": "batch"}, (16, 16, 1, 1)),
        ("care", {"fidelity": "released-code"}, (16, 16, 1, 1)),
        ("care", {"fidelity": "released-code", "sharing": "chunk"}, (16, 16, 4, 4)),
        ("care", {"loss": "wahba", "representation": "features"}, (16, 16, 4, 4)),
        ("equivariance", {}, (1, 1)),
        ("uniformity_equivariance", {"sharing": None}, (16, 2, 2)),
    ],
)
def test_views_are_plain_or_drawn_per_image_chunk_or_batch(
    name: str, more: dict[str, Any], expected: tuple[int, ...], build: Build
) -> None:
    assert build(name, **more).draws(16) == expected


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_determines_a_method_and_the_global_generator_is_unchanged(
    name: str, build: Build, encoder: Encoder
) -> None:
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    torch.manual_seed(23)
    state = torch.get_rng_state()
    first = build(name, encoder, seed=7)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    again, other = (build(name, encoder, seed=seed).state_dict() for seed in (7, 8))
    assert list(first.state_dict()) == list(again)
    assert all(torch.equal(value, again[key]) for key, value in first.state_dict().items())
    differs = [not torch.equal(value, other[key]) for key, value in first.state_dict().items()]
    assert any(differs) == (name in RANDOM)

    assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert not {id(p) for p in first.parameters()} & {id(p) for p in encoder.parameters()}, (
        "the method must not own the encoder"
    )


@pytest.mark.parametrize("name", TRAINED)
def test_terms_have_the_keys_of_the_weights(
    name: str, build: Build, encoder: Encoder, draw_views: Callable[..., Any]
) -> None:
    method = build(name, encoder)
    views = draw_views(method, 16, 3)
    for view in views:
        view.inputs = view.inputs[:, None, :].expand(-1, 2, -1)  # clouds of two points
    terms = method(encoder, views)
    assert list(terms) == list(method.weights)
    assert all(term.shape == () and term.dtype == torch.float32 for term in terms.values())


def refused(name: str, settings: Settings, **more: Any) -> str:
    with pytest.raises(CareBenchError) as caught:
        settings(name, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrapper", ["care", "equimod", "augself", "parameter_prediction"])
@pytest.mark.parametrize(
    "base", ["care", "equimod", "augself", "parameter_prediction", "equivariance", "uniformity_equivariance"]
)
def test_a_wrapper_is_refused_as_base(wrapper: str, base: str, settings: Settings) -> None:
    assert f"unknown base method '{base}'" in refused(wrapper, settings, base={"name": base})


@pytest.mark.parametrize("wrapper", ["equimod", "augself", "parameter_prediction"])
@pytest.mark.parametrize("base", ["moco_v2", "uniformity"])
def test_a_siamese_wrapper_refuses_a_base_that_is_not_siamese(wrapper: str, base: str, settings: Settings) -> None:
    assert f"{wrapper} cannot wrap '{base}'; expected a method on the features of two views" in refused(
        wrapper, settings, base={"name": base}
    )


@pytest.mark.parametrize("name", ["equivariance", "uniformity_equivariance", "care"])
def test_wahbas_error_has_no_released_code_fidelity(name: str, settings: Settings) -> None:
    message = refused(name, settings, loss="wahba", fidelity="released-code")
    assert "loss 'wahba' is not in the released code; expected fidelity 'paper'" in message
    assert settings(name, loss="wahba", fidelity="paper").fidelity_used is None
    assert settings(name, loss="gram", fidelity="paper").fidelity_used == "paper"


@pytest.mark.parametrize(("symmetric", "keys"), [(False, 32), (True, 64)])
def test_a_queue_must_be_a_multiple_of_the_keys_per_step(symmetric: bool, keys: int, settings: Settings) -> None:
    settings("moco_v2", queue=2 * keys, symmetric=symmetric).check_batch(32)
    bad = {"queue": 2 * keys - 16, "symmetric": symmetric}
    alone, wrapped = settings("moco_v2", **bad), settings("care", base={"name": "moco_v2", **bad})
    for method in (alone, wrapped):
        with pytest.raises(ValueError, match=f"queue = {bad['queue']} is not a multiple of the {keys} keys of a step"):
            method.check_batch(32)
