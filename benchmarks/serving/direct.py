"""The runtime called in a loop, without a server: python -m benchmarks.serving.direct BUNDLE BODIES SECONDS.

Prints the quantiles of a call, text to answer, in milliseconds.
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
    times = []
    end = time.perf_counter() + float(sys.argv[3])
    while (start := time.perf_counter()) < end:
        runtime.predict([texts[len(times) % len(texts)]])
        times.append(1000 * (time.perf_counter() - start))
    p50, p95, p99 = np.quantile(times, (0.5, 0.95, 0.99))
    print(json.dumps({"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}))
