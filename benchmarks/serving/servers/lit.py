"""LitServe around the session, with its batching: python lit.py BUNDLE PORT."""

import sys
from collections.abc import Sequence

import litserve
from student import Student


class Api(litserve.LitAPI):
    """Its five steps."""

    def setup(self, device: str) -> None:  # noqa: ARG002  its signature
        """In the worker's process."""
        self.student = Student(sys.argv[1])

    def decode_request(self, request: dict[str, str]) -> str:
        """A text."""
        return request["inputs"]

    def batch(self, inputs: Sequence[str]) -> list[str]:
        """As they are."""
        return list(inputs)

    def predict(self, x: list[str]) -> list[dict[str, object]]:
        """All in one call."""
        return self.student(x)

    def unbatch(self, output: list[dict[str, object]]) -> list[dict[str, object]]:
        """One each."""
        return output

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        """JSON."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(max_batch_size=8, batch_timeout=0.0), accelerator="cpu", workers_per_device=1, fast_queue=False
    )
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error")
