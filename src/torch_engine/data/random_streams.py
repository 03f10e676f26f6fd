"""
The random numbers of a run: Philox4x32-10 (Salmon et al. 2011), one stream per purpose, addressed by (index, lane), as
docs/random-streams.md specifies. Only adapters draw here: orders and samples come with the prepared data.
"""

from __future__ import annotations

import numpy as np

_low = np.uint64(0xFFFFFFFF)
_shift = np.uint64(32)


class RandomStream:
    def __init__(self, seed: int, name: str) -> None:
        self._key = (seed & 0xFFFFFFFF, _fnv1a(name))

    def uniform(self, count: int, lane: int = 0) -> np.ndarray:
        """Numbers 0 to count − 1 of the lane, in [0, 1), 32 bits fine."""
        blocks = np.arange((count + 3) // 4, dtype=np.uint64)
        lanes = np.full_like(blocks, lane)
        counter = [blocks & _low, blocks >> _shift, lanes & _low, lanes >> _shift]
        words = np.stack(_philox(counter, self._key), axis=1).reshape(-1)[:count]
        return words.astype(np.float64) / 2.0**32


def _philox(counter: list[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (second >> _shift) ^ c1 ^ np.uint64(k0), second & _low
        c2, c3 = (first >> _shift) ^ c3 ^ np.uint64(k1), first & _low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


def _fnv1a(name: str) -> int:
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
