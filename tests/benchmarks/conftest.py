"""The benchmarks are scripts: they find each other beside themselves, and the tests find them here."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]
