"""The same student in other people's runtimes, timed in turns: see `benchmarks/peers/__main__.py`."""
