from __future__ import annotations

import numpy as np

from care_bench.data.preparing.fragments import fragments, point_clouds


def test_fragments_by_hand() -> None:
    line = np.zeros((200, 3), dtype=np.float32)
    line[:, 0] = 3.8 * np.arange(200)
    line[70:, 1] += 2.5  # 4.549 apart: the chain is broken after residue 69
    line[150:, 1] += 2.3  # 4.442 apart: the chain is not broken
    found = fragments(line)
    np.testing.assert_array_equal(found, [line[0:64], line[70:134], line[134:198]])
    assert fragments(line[:63]).shape == (0, 64, 3)


def test_point_clouds_by_hand() -> None:
    line = np.zeros((1, 64, 3), dtype=np.float32)
    line[0, :, 1] = 3.8 * np.arange(64)
    found = point_clouds(line + 1000)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, :, 1], 0.38 * (np.arange(64) - 31.5), atol=1e-5)  # nanometres
    np.testing.assert_allclose(found[0, :, [0, 2]], 0, atol=1e-5)


def test_residues_that_are_too_close_and_numbers_that_jump_break_a_stretch() -> None:
    chain = np.cumsum(np.full((130, 3), [3.8, 0, 0]), axis=0)
    assert len(fragments(chain)) == 2
    close = chain.copy()
    close[100:] -= [1.3, 0, 0]  # 2.5 from its neighbour: no bond has this distance
    assert len(fragments(close)) == 1
    cis = chain.copy()
    cis[100:] -= [0.9, 0, 0]  # 2.9, as at a cis peptide bond
    assert len(fragments(cis)) == 2
    numbers = np.arange(130)
    numbers[60:] += 20
    assert len(fragments(chain, numbers)) == 1
