"""The runtime called in a loop, without a server: python -m benchmarks.serving.direct BUNDLE BODIES SECONDS PAUSE_MS.

Prints the quantiles of a call, text to answer, in milliseconds. Behind a server there is a pause before each call,
while the client reads its answer: with one, a call finds the core as a server's does, and without one at its best.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import serve

if __name__ == "__main__":
    runtime = serve.load(sys.argv[1], threads=1)
    texts = [json.loads(line)["inputs"] for line in Path(sys.argv[2]).read_text().splitlines()]
    runtime.predict(texts[:5])
    pause_s = float(sys.argv[4]) / 1000
    times = []
    end = time.perf_counter() + float(sys.argv[3])
    while time.perf_counter() < end:
        if pause_s:
            time.sleep(pause_s)
        start = time.perf_counter()
        runtime.predict([texts[len(times) % len(texts)]])
        times.append(1000 * (time.perf_counter() - start))
    p50, p95, p99 = np.quantile(times, (0.5, 0.95, 0.99))
    print(json.dumps({"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}))
