"""
The micro-batches that the torch engine makes of prepared data, row by row without padding, as one line of JSON.
usage: python batches.py STEPS FOLDER...
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src"))

from torch_engine.batch import ignored_label, make_batch  # noqa: E402
from torch_engine.prepared import Prepared  # noqa: E402


def rows_of(prepared: Prepared, step: int) -> list[list[dict]]:
    found = []
    for kind, rows in prepared.at(step).micro_batches:
        batch = make_batch(rows, kind)
        lengths = [sum(len(part) for part in row) for row in rows]
        for length, labels, ids in zip(lengths, batch.labels, batch.ids, strict=True):
            assert (labels[length:] == ignored_label).all() and (ids[length:] == 0).all()
        found.append(
            [
                {
                    "kind": kind,
                    "ids": batch.ids[b, :length].tolist(),
                    "labels": batch.labels[b, :length].tolist(),
                    "positions": batch.positions[b, :length].tolist(),
                }
                for b, length in enumerate(lengths)
            ]
        )
    return found


steps, folders = int(sys.argv[1]), sys.argv[2:]
print(json.dumps([[rows_of(Prepared(folder), step) for step in range(1, steps + 1)] for folder in folders]))
