"""
Rows as the model takes them. A row is one sequence, or several packed one behind the other; what follows them is padding.
Knows nothing of order, epochs or files.

B rows, T length
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

ignored_label = -100
task_kind, replay_kind = "task", "replay"


@dataclass(frozen=True)
class Tokens:
    """One sequence: ids, and 1 where a token is a target. The first is never predicted, whatever stands there."""

    ids: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


Row = Sequence[Tokens]


@dataclass(frozen=True)
class Batch:
    rows: int
    length: int
    kind: str
    ids: torch.Tensor
    """(B, T) i64; padding holds 0."""
    labels: torch.Tensor
    """(B, T) i64, already shifted: the token that follows, or -100 where no loss is taken."""
    positions: torch.Tensor
    """(B, T) i64, within the document. Padding counts on, so that a row of one document never restarts."""
    tokens: int
    """Cells that are not padding."""
    is_packed: bool

    def padded(self, multiple: int) -> Batch:
        """As long as a multiple: cells that nothing is learned from and no other cell looks at."""
        more = -self.length % multiple
        if more == 0:
            return self
        pad = torch.nn.functional.pad
        following = self.positions[:, -1:] + 1 + torch.arange(more)
        return replace(
            self,
            length=self.length + more,
            ids=pad(self.ids, (0, more)),
            labels=pad(self.labels, (0, more), value=ignored_label),
            positions=torch.cat([self.positions, following], 1),
        )

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        moved = [tensor.to(device, non_blocking=True) for tensor in (self.ids, self.labels, self.positions)]
        return Batch(self.rows, self.length, self.kind, *moved, self.tokens, self.is_packed)


def row_length(row: Row) -> int:
    return sum(len(part) for part in row)


def make_batch(rows: Sequence[Row], kind: str = task_kind) -> Batch:
    """As long as its longest row, in multiples of eight."""
    length = -(-max(row_length(row) for row in rows) // 8) * 8
    ids = np.zeros((len(rows), length), np.int64)
    labels = np.full((len(rows), length), ignored_label, np.int64)
    positions = np.zeros((len(rows), length), np.int64)
    for b, row in enumerate(rows):
        at = 0
        for part in row:
            end = at + len(part)
            ids[b, at:end] = part.ids
            positions[b, at:end] = np.arange(len(part))
            labels[b, at : end - 1] = np.where(part.targets[1:] == 1, part.ids[1:], ignored_label)
            at = end
        positions[b, at:] = len(row[-1]) + np.arange(length - at)
    return Batch(
        rows=len(rows),
        length=length,
        kind=kind,
        ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        positions=torch.from_numpy(positions),
        tokens=sum(row_length(row) for row in rows),
        is_packed=any(len(row) > 1 for row in rows),
    )
