"""InfoNCE of a query against its key and a queue of older keys (MoCo-v2).

Source: Eq. 1 of MoCo (He et al. 2020, arXiv 1911.05722), kept by MoCo-v2 (Chen et al. 2020, arXiv 2003.04297).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from care_bench.losses.checks import autocast_off, paired_rows, positive_temperature, rows


class MoCoInfoNCE(nn.Module):
    """Cross-entropy of picking a query's own key among itself and the K keys of the queue.

    The other keys of the batch are not negatives. No gradient goes through key or queue: the momentum encoder that
    made them is not trained. Computed in float32 or better for any input dtype, also under autocast.

    Args:
        temperature: divides the inner products, cosine similarities on unit rows; positive.

    Raises:
        ValueError: the temperature is not positive and finite.

    Example:
        >>> import torch
        >>> z = torch.eye(3)
        >>> round(MoCoInfoNCE(temperature=1.0)(z[:2], z[:2], queue=z[2:]).item(), 4)  # log(e + 1) - 1
        0.3133
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = positive_temperature(temperature)

    def forward(self, query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
        """Return the loss, a scalar in nats, mean over the queries.

        Args:
            query: (B, d) unit rows from the trained encoder.
            key: (B, d) unit rows from the momentum encoder, other views of the same inputs in the same order.
            queue: (K, d) unit rows, keys of earlier batches; this batch's keys join it after the loss.

        Raises:
            ValueError: query and key differ in shape, the queue in its number of columns, or one is not 2-D or empty.
        """
        return moco_info_nce(query, key, queue, self.temperature)


def moco_info_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Return what :class:`MoCoInfoNCE` returns."""
    positive_temperature(temperature)
    query, key = paired_rows(query, key, names=("query", "key"))
    queue = rows(queue, "queue").to(query.dtype)
    if queue.shape[1] != query.shape[1]:
        shapes = f"query has shape {tuple(query.shape)} and queue {tuple(queue.shape)}"
        raise ValueError(f"{shapes}; expected the same number of columns")
    with autocast_off(query):
        scaled = query / temperature
        positive = (scaled * key.detach()).sum(dim=1)
        negatives = (scaled @ queue.detach().mT).logsumexp(dim=1)
        return -functional.logsigmoid(positive - negatives).mean()
