"""The same student behind several servers, under load in turns: see `benchmarks/serving/__main__.py`."""
