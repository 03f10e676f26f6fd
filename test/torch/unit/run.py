"""
Runs the torch engine's unit tests and writes how many passed, failed and were skipped to HOLDFAST_TEST_COUNTS.
usage: python test/torch/unit/run.py [pattern]
"""

import json
import os
import sys
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "..", "src"))
sys.dont_write_bytecode = True


class Result(unittest.TextTestResult):
    """A test with broken subtests is one failure."""

    passed = 0

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.passed += 1


def main() -> int:
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*_test.py"
    suite = unittest.TestLoader().discover(here, pattern=pattern)
    result: Result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result).run(suite)
    failed = len({test.id().split(" ")[0] for test, _ in result.failures + result.errors}) + len(result.unexpectedSuccesses)
    skipped = [f"{test.id()}: {reason}" for test, reason in result.skipped]
    if file := os.environ.get("HOLDFAST_TEST_COUNTS"):
        with open(file, "w", encoding="utf-8") as handle:
            json.dump({"passed": result.passed, "failed": failed, "skipped": skipped}, handle)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
