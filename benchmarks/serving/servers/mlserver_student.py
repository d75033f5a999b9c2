"""MLServer's runtime around the session; `benchmarks/serving/contestants.py` writes its settings."""

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from student import Student


class Runtime(MLModel):
    """Text in, label out."""

    async def load(self) -> bool:
        """At the start."""
        self._student = Student(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """All texts of the request in one call."""
        texts = StringCodec.decode_input(payload.inputs[0])
        labels = [str(one["label"]) for one in self._student(texts)]
        return InferenceResponse(
            model_name=self.name, outputs=[StringCodec.encode_output("label", labels, use_bytes=False)]
        )
