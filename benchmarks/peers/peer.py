"""One peer, seen from here: a process in an environment of its own (worker.py), asked over its standard streams."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np

Arrays = dict[str, list[list[int]]]  # by the model's own names, each (texts, tokens)


class Peer:
    """A worker process."""

    def __init__(self, python: str, kind: str, model: Path, threads: int) -> None:
        worker = Path(__file__).with_name("worker.py")
        command = [python, str(worker), kind, str(model), str(threads)]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        self._line()

    def times(self, arrays: Sequence[Arrays]) -> list[float]:
        """Milliseconds of each batch."""
        return [float(one) for one in self._ask(arrays, answer=False)["ms"]]

    def labels(self, arrays: Sequence[Arrays]) -> list[int]:
        """The answer to each text."""
        logits = self._ask(arrays, answer=True)["logits"]
        return [int(np.argmax(row)) for batch in logits for row in batch]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _ask(self, arrays: Sequence[Arrays], *, answer: bool) -> dict[str, list[list[list[float]]]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arrays": list(arrays), "answer": answer}) + "\n")
        self._process.stdin.flush()
        found: dict[str, list[list[list[float]]]] = self._line()
        return found

    def _line(self) -> dict[str, list[list[list[float]]]]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a peer ended: {self._process.args}")
        found: dict[str, list[list[list[float]]]] = json.loads(line)
        return found
