"""Triton: a model repository in which an ensemble takes texts and gives labels, with this server's tensors.

    NAME             ensemble: `text` BYTES [-1] in (of a model of pairs `text_pair` too), `label` BYTES [-1] and
                     `probabilities` FP32 [-1, labels] out
    NAME_tokens      python: texts to token arrays, with the bundle's tokenizer
    NAME_onnx        the bundle's ONNX file
    NAME_rows        python, for bundles that answer one by one: asks NAME_onnx for each text alone, unpadded
    NAME_labels      python: logits to labels and probabilities

The ensemble and its python models have max_batch_size 0: to them, the number of texts is an axis like another.
NAME_onnx may be given as many texts at once as a request of our own server may have, or, one by one, exactly one: then
Triton itself refuses to put two together. https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serve.bundle import TOKENIZER, TOKENIZER_CONFIG, Bundle
from serve.deploy.plan import Plan, fill, pinned, quoted
from serve.encoding import pad_id, read_tokenizer
from serve.errors import UserError
from serve.limits import Limits
from serve.protocols.tensors import LABEL, PROBABILITIES, input_names

VERSION = "1"
_LOGITS = "logits"  # of the ensemble, whatever the graph calls them
_TYPES = {"int64": "TYPE_INT64", "int32": "TYPE_INT32"}

_Tensor = tuple[str, str, Sequence[int]]  # name, type, dims
# In tokens: no padding may reach a model that answers one by one.
_LENGTHS: _Tensor = ("lengths", "TYPE_INT64", (-1,))
_ONE_BY_ONE = """\
This bundle answers one by one: an answer of its dynamic int8 would depend on the rest of its batch. So `max_batch_size`
of the ONNX model is 1, and another step gives it the texts of a request one after the other, unpadded."""
_TOGETHER = "The texts of a request are answered together."


@dataclass(frozen=True)
class Triton:
    """No option: the repository is the bundle's."""

    def plan(self, bundle: Bundle, name: str) -> Plan:
        """The repository; raises `BundleError` for a tokenizer without padding token."""
        manifest = bundle.manifest
        if not manifest.answering.ONE_LABEL:
            raise UserError(
                f"{manifest.name} answers {manifest.task} ({manifest.answering.kind}), and the steps for Triton are "
                "written for one label per text",
                "a classifier of one label per text",
                "serve it with `compress serve`, or export it for another platform",
            )
        labels = len(manifest.labels)
        one_by_one = manifest.batching == "one_by_one"
        tokens: list[_Tensor] = [(given.name, _TYPES[given.dtype], (-1, -1)) for given in manifest.inputs]
        made = [*tokens, _LENGTHS] if one_by_one else tokens
        names = input_names(pairs=manifest.text_pair)
        texts: list[_Tensor] = [(given, "TYPE_STRING", (-1,)) for given in names]
        logits: _Tensor = (_LOGITS, "TYPE_FP32", (-1, labels))
        answers: list[_Tensor] = [
            (LABEL, "TYPE_STRING", (-1,)),
            (PROBABILITIES, "TYPE_FP32", (-1, labels)),
        ]
        settings = _settings(bundle, f"{name}_onnx")
        files: dict[str, str | Path] = {
            **_python(f"{name}_tokens", "tokens", settings, texts, made),
            f"{name}_tokens/{VERSION}/{TOKENIZER}": bundle.tokenizer_path,
            **_python(f"{name}_labels", "labels", settings, [logits], answers),
            f"{name}_onnx/{VERSION}/model.onnx": bundle.model_path,
            f"{name}_onnx/config.pbtxt": _onnx(bundle, f"{name}_onnx", one_by_one=one_by_one),
            f"{name}/{VERSION}/.keep": "",  # Triton wants a version's folder of an ensemble, too
        }
        if one_by_one:
            files |= _python(f"{name}_rows", "rows", settings, made, [logits])
        middle = f"{name}_rows" if one_by_one else f"{name}_onnx"
        given = {tensor: tensor for tensor, _, _ in made}
        scored = _LOGITS if one_by_one else manifest.output
        steps = [
            _step(f"{name}_tokens", {one: one for one in names}, given),
            _step(middle, given, {scored: _LOGITS}),
            _step(f"{name}_labels", {_LOGITS: _LOGITS}, {LABEL: LABEL, PROBABILITIES: PROBABILITIES}),
        ]
        head = f'name: {quoted(name)}\nplatform: "ensemble"\nmax_batch_size: 0\n'
        scheduling = "ensemble_scheduling {\n" + "".join(steps) + "}\n"
        files[f"{name}/config.pbtxt"] = head + _tensors(texts, answers) + scheduling
        tokenizers = f"tokenizers=={pinned()['tokenizers']}"
        then = (
            f"Triton's Python needs {tokenizers} and numpy; README.md beside the repository has the commands.",
            f"Ask the model {name}: {' and '.join(names)} in, {LABEL} and {PROBABILITIES} out, as from compress serve.",
        )
        repository = {f"models/{place}": content for place, content in files.items()}
        readme = fill(
            "triton/README.md",
            name=name,
            tokenizers=tokenizers,
            batching=_ONE_BY_ONE if one_by_one else _TOGETHER,
            most=Limits().texts,
            opset=manifest.opset,
            onnxruntime=manifest.verified_on.onnxruntime,
        )
        return Plan({**repository, "README.md": readme}, then)


def _settings(bundle: Bundle, onnx: str) -> str:
    """What the python models read beside their code: data, so that nothing of a bundle becomes code."""
    limits = Limits()
    tokenizer = read_tokenizer(bundle.tokenizer_path)
    settings = {
        "labels": bundle.manifest.labels,
        "texts": list(input_names(pairs=bundle.manifest.text_pair)),
        "inputs": {given.name: given.dtype for given in bundle.manifest.inputs},
        "lengths": bundle.manifest.batching == "one_by_one",
        "pad_id": pad_id(tokenizer, bundle.folder / TOKENIZER_CONFIG),
        "onnx": onnx,
        "output": bundle.manifest.output,
        "most_texts": limits.texts,
        "most_characters": _most_characters(bundle, limits),
    }
    return quoted(settings) + "\n"


def _most_characters(bundle: Bundle, limits: Limits) -> int:
    """Of one text; of a pair fewer, since tokenizers alone keeps every combination of what it cuts off both texts."""
    if bundle.manifest.text_pair:
        return min(limits.characters, 64 * bundle.manifest.max_length)
    return limits.characters


def _python(
    name: str, code: str, settings: str, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]
) -> dict[str, str]:
    head = f'name: {quoted(name)}\nbackend: "python"\nmax_batch_size: 0\n'
    return {
        f"{name}/config.pbtxt": head + _tensors(inputs, outputs) + _ON_CPU,
        f"{name}/{VERSION}/model.py": fill(f"triton/{code}.py"),
        f"{name}/{VERSION}/settings.json": settings,
    }


def _onnx(bundle: Bundle, name: str, *, one_by_one: bool) -> str:
    """With a batch axis that Triton knows of, so that it holds the limit."""
    most = 1 if one_by_one else Limits().texts
    head = f'name: {quoted(name)}\nplatform: "onnxruntime_onnx"\nmax_batch_size: {most}\n'
    inputs: list[_Tensor] = [(given.name, _TYPES[given.dtype], (-1,)) for given in bundle.manifest.inputs]
    outputs: list[_Tensor] = [(bundle.manifest.output, "TYPE_FP32", (len(bundle.manifest.labels),))]
    return head + _tensors(inputs, outputs) + _ON_CPU + ("" if one_by_one else "dynamic_batching { }\n")


_ON_CPU = "instance_group [ { kind: KIND_CPU } ]\n"


def _tensors(inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> str:
    def listed(tensors: Sequence[_Tensor]) -> str:
        return ",\n".join(
            f"  {{ name: {_string(name)}, data_type: {kind}, dims: [ {', '.join(map(str, dims))} ] }}"
            for name, kind, dims in tensors
        )

    return f"input [\n{listed(inputs)}\n]\noutput [\n{listed(outputs)}\n]\n"


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """A step of the ensemble; the mappings are from the model's tensors to the ensemble's."""
    maps = [
        f"    {kind} {{ key: {_string(own)}, value: {_string(shared)} }}\n"
        for kind, mapping in (("input_map", inputs), ("output_map", outputs))
        for own, shared in mapping.items()
    ]
    return f"  step {{\n    model_name: {quoted(model)}\n    model_version: -1\n{''.join(maps)}  }}\n"


def _string(value: str) -> str:
    """A string of protobuf's text format, in octal where it is not plain: the graph's names are anybody's."""
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b"\"\\'" else f"\\{byte:03o}" for byte in value.encode()
    )
    return f'"{"".join(plain)}"'
