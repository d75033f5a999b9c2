"""The benchmarks are scripts: they find each other beside themselves, and the tests find them here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
