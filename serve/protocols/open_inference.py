"""The Open Inference Protocol (KServe v2) over HTTP, with its binary extension and Triton's extensions.

Tensor `text` (BYTES) in, and `text_pair` for a model of pairs; `label` (BYTES) and `probabilities` (FP32) out.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from serve import __version__
from serve.body import read_body
from serve.front import Questions
from serve.headers import headers_of
from serve.models import VERSION, Models
from serve.protocols import schemas, tensors
from serve.protocols.schemas import Schema
from serve.protocols.scores import PROBLEMS
from serve.refusal import Refusal
from serve.request import check_headers, measured, while_connected
from serve.tasks import Answering

EXTENSIONS = ["binary_tensor_data", "classification", "statistics", "model_configuration", "model_repository"]
PLATFORM = "onnxruntime_onnx"
_TRITON_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT64": "TYPE_INT64"}
_MODEL = "/v2/models/{model_name}"
_VERSION = f"{_MODEL}/versions/{{model_version}}"

_Act = Callable[[Request, str, str], Awaitable[Any]]  # on a model of this name and version


def _schema(*, pairs: bool, answering: Answering) -> Schema:
    """Of an inference request in JSON.

    JSON Schema cannot say that the shape is that of the data, so it says it for one text.
    """
    parameters = schemas.optional({"type": "object"}, "Of the protocol; unknown ones are passed over.")
    name = schemas.optional({"type": "string"}, "Not read: the path says it.")
    each = [
        schemas.strict(
            ["name", "shape", "datatype", "data"],
            name={"const": given},
            shape={"enum": [[1], [1, 1]]},
            datatype={"const": "BYTES"},
            data=schemas.several(schemas.TEXT, most=1),
            parameters=parameters,
        )
        for given in tensors.input_names(pairs=pairs)
    ]
    outputs = {"enum": list(tensors.output_names(answering))}
    return schemas.strict(
        ["inputs"],
        id=schemas.optional(
            {"type": "string", "maxLength": tensors.LONGEST_ID}, "Comes back with the answer."
        ),
        inputs={"type": "array", "prefixItems": each, "items": False, "minItems": len(each)},
        outputs=schemas.optional(
            schemas.several(
                schemas.strict(["name"], name=outputs, parameters=parameters), most=tensors.MOST_OUTPUTS
            ),
            "All of them, where none is named.",
        ),
        parameters=parameters,
        model_name=name,
        model_version=name,
    )


def _example(*, pairs: bool, answering: Answering) -> dict[str, Any]:
    texts = zip(tensors.input_names(pairs=pairs), answering.EXAMPLE_PAIR, strict=False)
    return {
        "inputs": [{"name": name, "shape": [1], "datatype": "BYTES", "data": [text]} for name, text in texts]
    }


def routes(models: Models, questions: Questions) -> APIRouter:
    """Health, metadata, configuration, statistics, index and inference of these models."""
    router = APIRouter(tags=["Open Inference Protocol"], responses=PROBLEMS)

    @router.get("/v2")
    async def server_metadata() -> dict[str, Any]:
        """Name this server, its version and the extensions that it has."""
        return {"name": "compress-toolchain", "version": __version__, "extensions": EXTENSIONS}

    @router.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """Answer 200 while the process is alive."""
        return {"live": True}

    @router.get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        """Answer 200 while new requests are taken, else 503."""
        models.require_ready()
        return {"ready": True}

    @router.post("/v2/repository/index")
    async def index() -> list[dict[str, str]]:
        """List the models."""
        return indexed(models)

    @router.post("/v2/repository/models/{model_name}/load")
    @router.post("/v2/repository/models/{model_name}/unload")
    async def managed(model_name: str) -> Response:
        """Refuse: which models are served is said on the command line alone."""
        models.named(model_name)
        raise Refusal(403, "forbidden", "Models are not loaded or unloaded over the network.")

    @router.get("/v2/models/stats")
    async def all_statistics() -> dict[str, Any]:
        """Counts and times of every model."""
        return {"model_stats": [statistics_of(models, name) for name in models.names]}

    async def metadata(_: Request, name: str, version: str) -> dict[str, Any]:
        """The model's tensors."""
        return described(models, name, version)

    async def model_ready(_: Request, name: str, version: str) -> dict[str, Any]:
        """Answer 200 while the model takes requests, else 503."""
        models.named(name, version)
        models.require_ready()
        return {"name": name, "ready": True}

    async def configuration(_: Request, name: str, version: str) -> dict[str, Any]:
        """The model as a Triton configuration."""
        return configured(models, name, version)

    async def statistics(_: Request, name: str, version: str) -> dict[str, Any]:
        """Counts and times of this model."""
        models.named(name, version)
        return {"model_stats": [statistics_of(models, name)]}

    async def infer(request: Request, name: str, version: str) -> Response:
        """Answer texts; binary tensors are read and written where the client has them."""
        model = models.named(name, version)
        check_headers(request, "application/octet-stream")
        limits, labels, answering = model.info.limits, model.info.labels, model.info.answering
        query = tensors.parse(
            await read_body(request, limits),
            headers_of(request.scope).get(tensors.JSON_LENGTH),
            limits,
            pairs=model.info.text_pair,
            answering=answering,
        )
        found = await while_connected(request, model.answer(query.texts, query.seconds))
        body, json_length = tensors.respond(name, VERSION, query, found.answers, labels, answering)
        headers = measured(found)
        if json_length is None:
            return Response(body, media_type="application/json", headers=headers)
        headers["Inference-Header-Content-Length"] = str(json_length)
        return Response(body, media_type="application/octet-stream", headers=headers)

    for suffix, act in (
        ("", metadata),
        ("/ready", model_ready),
        ("/config", configuration),
        ("/stats", statistics),
    ):
        _add(router, models, "GET", suffix, act)
    first = models.first.info  # of several models the first is described
    pairs = first.text_pair
    answering = first.answering
    body = schemas.json_body(
        _schema(pairs=pairs, answering=answering), _example(pairs=pairs, answering=answering)
    )
    _add(router, models, "POST", "/infer", infer, openapi_extra=body)
    for name in models.names:
        answer = partial(infer, name=name, version=VERSION)
        for path, served in (
            (_MODEL, f"/v2/models/{name}"),
            (_VERSION, f"/v2/models/{name}/versions/{VERSION}"),
        ):
            questions.add(f"{served}/infer", answer, f"{path}/infer")
    return router


def _add(router: APIRouter, models: Models, method: str, suffix: str, act: _Act, **more: Any) -> None:
    """The route of a model, with its version in the path and without."""
    Name = Annotated[str, Path(json_schema_extra={"enum": models.names})]  # noqa: N806  a type
    Version = Annotated[str, Path(json_schema_extra={"enum": [VERSION]})]  # noqa: N806

    async def plain(request: Request, model_name: Name) -> Any:
        return await act(request, model_name, VERSION)

    async def versioned(request: Request, model_name: Name, model_version: Version) -> Any:
        return await act(request, model_name, model_version)

    for path, route in ((_MODEL, plain), (_VERSION, versioned)):
        route.__doc__ = act.__doc__
        name = f"{act.__name__}_{route.__name__}"
        router.add_api_route(path + suffix, route, methods=[method], name=name, response_model=None, **more)


def described(models: Models, name: str, version: str) -> dict[str, Any]:
    """The model's metadata; raises `Refusal` 404."""
    info = models.named(name, version).info
    return {
        "name": name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [
            {"name": given, "datatype": "BYTES", "shape": [-1]}
            for given in tensors.input_names(pairs=info.text_pair)
        ],
        "outputs": [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": [-1] if one.width is None else [-1, one.width],
            }
            for one in info.answering.tensors(len(info.labels))
        ],
        "parameters": {"labels": info.labels, "bundle_sha256": info.bundle_sha256},
    }


def configured(models: Models, name: str, version: str) -> dict[str, Any]:
    """The model as a Triton configuration; raises `Refusal` 404."""
    info = models.named(name, version).info
    return {
        "name": name,
        "platform": PLATFORM,
        "backend": "compress-toolchain",
        "max_batch_size": info.limits.texts,
        "input": [
            {"name": given, "data_type": "TYPE_STRING", "dims": [1]}
            for given in tensors.input_names(pairs=info.text_pair)
        ],
        "output": [
            {
                "name": one.name,
                "data_type": _TRITON_TYPES[one.datatype],
                "dims": [1 if one.width is None else one.width],
            }
            for one in info.answering.tensors(len(info.labels))
        ],
    }


def indexed(models: Models) -> list[dict[str, str]]:
    """Every model with its state."""
    state = "READY" if models.is_ready else "UNAVAILABLE"
    return [{"name": name, "version": VERSION, "state": state, "reason": ""} for name in models.names]


def statistics_of(models: Models, name: str) -> dict[str, Any]:
    """Counts and times since the start; raises `Refusal` 404."""
    counts = models.named(name).counts
    return {
        "name": name,
        "version": VERSION,
        "last_inference": counts.last_ms,
        "inference_count": counts.texts,
        "execution_count": counts.requests,
        "inference_stats": {
            "success": {"count": counts.requests, "ns": counts.ns(counts.whole_s)},
            "fail": {"count": counts.failures, "ns": 0},
            "queue": {"count": counts.requests, "ns": counts.ns(counts.queue_s)},
            "compute_input": {"count": counts.requests, "ns": counts.ns(counts.tokenize_s)},
            "compute_infer": {"count": counts.requests, "ns": counts.ns(counts.infer_s)},
            "compute_output": {"count": counts.requests, "ns": 0},
        },
        "batch_stats": [],
    }
