"""Temporary."""

from typing import NamedTuple

METHODS = {
    "simclr": "SimCLR",
    "moco_v2": "MoCo-v2",
    "byol": "BYOL",
    "barlow_twins": "Barlow Twins",
    "equimod": "EquiMod",
    "augself": "AugSelf",
    "care": "CARE",
    "invariance": "invariance only",
    "uniformity": "uniformity only",
    "equivariance": "equivariance only",
    "uniformity_equivariance": "uniformity + equivariance",
}


class M(NamedTuple):
    name: str
    label: str
    caption: str = ""


_POS = (
    "Cosine of f(a(x)) and f(a'(x)) over the test samples and pairs of sampled augmentations: its mean, and the points "
    "below which 5 to 95 % of the cosines lie."
)
_C = {
    "retrieval_overlap": "Overlap: the share of the five nearest train samples of f(x) that f(a(x)) has as well.",
    "retrieval_tint_distance": "Tint distance: how far the neighbours' colour is from the query's, 1 by chance.",
    "composition_error": "Root mean square over the test samples of |(R_a'a - R_a' R_a) f(x)|, mean over pairs of "
    "augmentations: 0 where composed augmentations act as composed rotations, and near invariance as well; read it "
    "beside Wahba's error and the invariance.",
    "wahba_error": "Wahba's error is small for a collapsed or invariant encoder too: read it beside invariance and uniformity.",
    "gamma": "γ is a mean of ratios without bound near invariance: read it beside its median and the invariance. It is about "
    "1/(2d) also where views have nothing to do with the input: read it beside Wahba's error.",
}
_T = "Trajectory: the curve of an embedding while its cloud turns once about an axis. Planarity: the share of its variance in two principal components, 100 for a circle; step variation: 0 at constant speed. Near invariance it hardly moves: read it beside the invariance."
_M = {
    "top1": "top-1",
    "wahba_error": "Wahba, mean",
    "wahba_error_worst": "Wahba, worst",
    "wahba_error_per_sample": "Wahba, per sample",
    "gamma": "γ, mean",
    "gamma_median": "γ, median",
    "gamma_trimmed": "γ, trimmed mean",
    "invariance": "invariance",
    "cosine_mean": "cosine, mean",
    "cosine_variance": "cosine, variance",
    "cosine_opposed": "cosine, fraction opposed",
    "positive_cosine_mean": "positive cosine, mean",
    "positive_cosine_05": "positive cosine, 5 % point",
    "positive_cosine_25": "positive cosine, 25 % point",
    "positive_cosine_50": "positive cosine, median",
    "positive_cosine_75": "positive cosine, 75 % point",
    "positive_cosine_95": "positive cosine, 95 % point",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "composition_error": "composition error",
    "retrieval_overlap": "top-5 overlap",
    "retrieval_tint_distance": "tint distance",
    "first_pc_r2": "first PC, R²",
    "first_pc_angle": "first PC, angle error",
    "trajectory_planarity": "trajectory, planarity",
    "trajectory_step_variation": "trajectory, step variation",
}
METRICS = {
    k: M(k, v, _POS if k.startswith("positive") else _T if k.startswith("traj") else _C.get(k, ""))
    for k, v in _M.items()
}


class P(NamedTuple):
    id: str
    family: str
    metrics: tuple


def _p(id, family, *names):
    return id, P(id, family, tuple(METRICS[n] for n in names))


PROTOCOLS = dict(
    [
        _p("cached-v1", "probe", "top1"),
        _p("paper-small-v1", "probe", "top1"),
        _p("paper-imagenet100-v1", "probe", "top1"),
        _p("knn-v1", "probe", "top1"),
        _p("wahba-v1", "equivariance", "wahba_error", "wahba_error_worst", "wahba_error_per_sample"),
        _p("relative-equivariance-v1", "equivariance", "gamma", "gamma_median", "gamma_trimmed", "invariance"),
        _p("cosine-v1", "equivariance", "cosine_mean", "cosine_variance", "cosine_opposed"),
        _p("positive-cosine-v1", "positive pairs", *[k for k in _M if k.startswith("posi")]),
        _p("alignment-uniformity-v1", "equivariance", "alignment", "uniformity"),
        _p("composition-v1", "composition", "composition_error"),
        _p("retrieval-v1", "retrieval", "retrieval_overlap", "retrieval_tint_distance"),
        _p("first-pc-v1", "point clouds", "first_pc_r2", "first_pc_angle"),
        _p("trajectories-v1", "point clouds", "trajectory_planarity", "trajectory_step_variation"),
    ]
)
