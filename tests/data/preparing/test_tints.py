from __future__ import annotations

import numpy as np

from care_bench.data.preparing.tints import tinted


def test_tinted_by_hand() -> None:
    images = np.array([[[[0, 100], [255, 3]]]], dtype=np.uint8)
    tints = np.array([[1.0, 0.5, 0.3]], dtype=np.float32)
    expected = [[[[0, 100], [255, 3]], [[0, 50], [128, 2]], [[0, 30], [77, 1]]]]  # 127.5 and 1.5 are rounded to even
    np.testing.assert_array_equal(tinted(images, tints), expected)
