"""Which job does what. Importing this loads torch and transformers."""

from __future__ import annotations

from .check_job import check, check_resume
from .evaluate_job import evaluate, generate
from .open_run import Observer
from .protocol import Event, Start
from .run_control import RunControl
from .trainer import train


def run(start: Start, observer: Observer, control: RunControl) -> Event:
    match start.job:
        case "train":
            return train(start, observer, control)
        case "check":
            return check_resume(start) if start.checkpoint else check(start, observer)
        case "evaluate":
            return evaluate(start, observer)
        case _:
            return generate(start, observer)
