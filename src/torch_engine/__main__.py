"""
Starts the trainer from its folder: `python -u torch_engine/__main__.py`. Puts the package's parent on the path instead
of the package's own folder, whose modules would shadow others of the same name.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [os.path.dirname(here)] + [entry for entry in sys.path if os.path.abspath(entry or ".") != here]

from torch_engine.main import main  # noqa: E402

main()
