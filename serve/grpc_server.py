"""The Open Inference Protocol over gRPC, beside the HTTP endpoint in the same process and event loop."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from serve import __version__, tracing
from serve.errors import InputError, UserError
from serve.grpc_messages import MESSAGES, PACKAGE
from serve.info import Info
from serve.key import Key
from serve.metrics import Metrics
from serve.models import VERSION, Models
from serve.protocols import open_inference, tensors
from serve.protocols.scores import unreadable
from serve.refusal import Refusal
from serve.tracing import Tracing

SERVICE = f"{PACKAGE}.GRPCInferenceService"
PUBLIC = frozenset({"ServerLive", "ServerReady"})
_TYPES = {"TYPE_STRING": 13, "TYPE_FP32": 11, "TYPE_INT64": 9}  # of Triton's model configuration
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_FAILURES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Handler = Callable[[Any, Any], Awaitable[Any]]


async def start(
    models: Models,
    metrics: Metrics,
    host: str,
    port: int,
    *,
    key: Key | None = None,
    traces: Tracing | None = None,
) -> tuple[aio.Server, int]:
    """A server that answers, and its port (a free one for 0). Raises `UserError` where the address is taken."""
    limits = models.first.info.limits
    server = aio.server(
        maximum_concurrent_rpcs=limits.connections,  # further ones get RESOURCE_EXHAUSTED
        options=[
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.so_reuseport", 0),
        ],
    )
    service = _Service(models, metrics, key, traces)
    server.add_generic_rpc_handlers((service.handlers(),))
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(where)
    except RuntimeError:
        bound = 0
    if not bound:
        raise UserError(
            f"cannot listen for gRPC on {where}",
            "an address of this machine and a free port",
            "give another --grpc-port",
        )
    await server.start()
    return server, bound


class _Service:
    """The methods; each is behind the same gate."""

    def __init__(self, models: Models, metrics: Metrics, key: Key | None, traces: Tracing | None) -> None:
        self._models = models
        self._metrics = metrics
        self._key = key
        self._traces = traces

    def handlers(self) -> grpc.GenericRpcHandler:
        """All methods by name."""
        methods = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository_index,
            "ModelInfer": self.model_infer,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._gated(name, method),
                    request_deserializer=MESSAGES[f"{name}Request"].FromString,
                    response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
                )
                for name, method in methods.items()
            },
        )

    def _gated(self, name: str, method: Handler) -> Handler:
        async def answer(request: Any, context: aio.ServicerContext) -> Any:
            code, cause = grpc.StatusCode.INTERNAL, "internal"
            traced = self._traces is not None and name not in PUBLIC
            trace = tracing.begin(_metadata(context)) if traced else None
            try:
                if self._key is not None and name not in PUBLIC and not self._shown(context):
                    raise Refusal(401, "unauthorized", "Show the key as authorization: Bearer KEY.")
                found = await method(request, context)
                code, cause = grpc.StatusCode.OK, "ok"
            except Refusal as refusal:
                code, cause = _CODES.get(refusal.status, grpc.StatusCode.INTERNAL), refusal.error_type
                await context.abort(code, refusal.message)
            except InputError as error:
                code, cause = grpc.StatusCode.INVALID_ARGUMENT, "validation"
                await context.abort(code, f"Found {error.found}; expected {error.expected}.")
            except aio.AbortError:
                raise
            except Exception:
                # grpc would send the exception's own words, which are of the server's inside.
                logging.getLogger(__name__).exception("gRPC %s failed", name)
                await context.abort(code, "The server failed on this request.")
            finally:
                self._metrics.requests.labels(f"grpc/{name}", code.name, cause).inc()
                if self._traces is not None and trace is not None:
                    attributes: dict[str, tracing.Attribute] = {
                        "rpc.system": "grpc",
                        "rpc.grpc.status_code": int(code.value[0]),
                        "compress.cause": cause,
                    }
                    self._traces.end(trace, f"{SERVICE}/{name}", attributes, failed=code in _FAILURES)
            return found

        return answer

    def _shown(self, context: aio.ServicerContext) -> bool:
        assert self._key is not None
        metadata = _metadata(context)
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        shown = token.strip() if scheme.lower() == "bearer" else metadata.get("x-api-key", "")
        return bool(shown) and self._key.fits(shown)

    async def server_live(self, _request: Any, _context: Any) -> Any:
        """The process is alive."""
        return MESSAGES["ServerLiveResponse"](live=True)

    async def server_ready(self, _request: Any, _context: Any) -> Any:
        """New requests are taken."""
        return MESSAGES["ServerReadyResponse"](ready=self._models.is_ready)

    async def model_ready(self, request: Any, _context: Any) -> Any:
        """The model takes requests."""
        self._models.named(request.name, request.version or VERSION)
        return MESSAGES["ModelReadyResponse"](ready=self._models.is_ready)

    async def server_metadata(self, _request: Any, _context: Any) -> Any:
        """Name, version, extensions."""
        return MESSAGES["ServerMetadataResponse"](
            name="compress-toolchain", version=__version__, extensions=open_inference.EXTENSIONS
        )

    async def model_metadata(self, request: Any, _context: Any) -> Any:
        """The model's tensors."""
        found = open_inference.described(self._models, request.name, request.version or VERSION)
        return MESSAGES["ModelMetadataResponse"](
            **{name: found[name] for name in ("name", "versions", "platform", "inputs", "outputs")}
        )

    async def model_config(self, request: Any, _context: Any) -> Any:
        """The model as a Triton configuration."""
        found = open_inference.configured(self._models, request.name, request.version or VERSION)
        for tensor in (*found["input"], *found["output"]):
            tensor["data_type"] = _TYPES[tensor["data_type"]]
        return MESSAGES["ModelConfigResponse"](config=MESSAGES["ModelConfig"](**found))

    async def model_statistics(self, request: Any, _context: Any) -> Any:
        """Counts and times."""
        names = [request.name] if request.name else self._models.names
        stats = [open_inference.statistics_of(self._models, name) for name in names]
        for one in stats:
            one.pop("batch_stats")
        return MESSAGES["ModelStatisticsResponse"](model_stats=stats)

    async def repository_index(self, _request: Any, _context: Any) -> Any:
        """The models."""
        return MESSAGES["RepositoryIndexResponse"](models=open_inference.indexed(self._models))

    async def model_infer(self, request: Any, context: aio.ServicerContext) -> Any:
        """Answer texts."""
        model = self._models.named(request.model_name, request.model_version or VERSION)
        asked, raw = _request(request, model.info)
        left = context.time_remaining()
        seconds = min(filter(None, (asked.seconds, left)), default=None)
        found = await model.answer(asked.texts, seconds)
        response = MESSAGES["ModelInferResponse"](
            model_name=request.model_name, model_version=VERSION, id=request.id
        )
        for wanted in asked.outputs:
            tensor = tensors.output(wanted, found.answers, model.info.labels, model.info.answering)
            described = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            if raw:
                response.raw_output_contents.append(tensor.raw())
            elif tensor.strings is not None:
                described.contents.bytes_contents.extend(one.encode() for one in tensor.strings)
            elif tensor.datatype == "INT64":
                described.contents.int64_contents.extend(tensor.data())
            else:
                described.contents.fp32_contents.extend(tensor.data())
        truncated = [place for place, answer in enumerate(found.answers) if answer.truncated]
        if truncated:
            response.parameters["truncated"].string_param = ",".join(map(str, truncated))
        return response


def _metadata(context: aio.ServicerContext) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in context.invocation_metadata() or ()}


def _request(message: Any, info: Info) -> tuple[tensors.Request, bool]:
    """The request in a message, and whether its tensors are raw; raises `Refusal`."""
    tensors.check_names([{"name": given.name} for given in message.inputs], pairs=info.text_pair)
    raw = list(message.raw_input_contents)
    if raw and (
        len(raw) != len(message.inputs) or any(given.HasField("contents") for given in message.inputs)
    ):
        raise unreadable("raw_input_contents must hold every tensor, without contents.")
    columns: dict[str, list[str]] = {}
    for number, given in enumerate(message.inputs):
        count = tensors.check_tensor(
            {"name": given.name, "datatype": given.datatype, "shape": list(given.shape)}
        )
        if raw:
            found = tensors.decode_strings(raw[number])
        else:
            try:
                found = [one.decode("utf-8") for one in given.contents.bytes_contents]
            except UnicodeDecodeError:
                raise unreadable("A text is not UTF-8.") from None
        columns[given.name] = tensors.counted(given.name, found, count)
    outputs = [
        {"name": one.name, "parameters": _parameters(one.parameters)} for one in message.outputs
    ] or None
    parameters = _parameters(message.parameters)
    asked = tensors.request(message.id or None, columns, outputs, parameters, info.limits, info.answering)
    return asked, bool(raw)


def _parameters(given: Any) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "string_param")
        for name, value in given.items()
    }
