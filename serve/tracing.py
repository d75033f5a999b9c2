"""A trace of every request, for an OpenTelemetry collector: on where one is named and the extra `otel` is installed.

A request is one span, with the children `tokenize`, `queue` and `infer` of each model that answered it. It hangs on the
caller's span where the request has a `traceparent` (https://www.w3.org/TR/trace-context/). No text is in it. While a
request is answered, times are noted and nothing else; spans are made of them when the answer is on its way, and a
thread of their own sends them. The `OTEL_*` variables are the SDK's:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serve import __version__
from serve.batcher import Answered

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SERVICE = "compress-serve"
_FLUSH_S = 3.0  # at the end, for what was not sent yet

Attribute = str | int | bool


@dataclass
class Trace:
    """What is noted of one request."""

    headers: Mapping[str, str]
    began_ns: int = field(default_factory=time.time_ns)
    answers: list[tuple[str, int, Answered]] = field(default_factory=list)  # model, when in ns, what


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(headers: Mapping[str, str]) -> Trace:
    """From here on, what this task and those that it starts have answered belongs to this request."""
    trace = Trace(headers)
    _current.set(trace)
    return trace


def note(model: str, found: Answered) -> None:
    """Note that a model has just answered, if anybody wants to know."""
    trace = _current.get()
    if trace is not None:
        trace.answers.append((model, time.time_ns(), found))


class Tracing:
    """Makes spans of requests, and sends them."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("compress-toolchain", __version__)

    def end(self, trace: Trace, name: str, attributes: Mapping[str, Attribute], *, failed: bool) -> None:
        """The request is over; `failed` where that was the server's doing."""
        from opentelemetry import trace as api
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract(trace.headers)
        span = self._tracer.start_span(
            name,
            context=above,
            kind=api.SpanKind.SERVER,
            attributes={**attributes, **_answered(trace.answers)},
            start_time=trace.began_ns,
        )
        within = api.set_span_in_context(span, above)
        for model, at_ns, found in trace.answers:
            self._add_steps(within, model, at_ns, found)
        if failed:
            span.set_status(api.StatusCode.ERROR)
        span.end()

    def _add_steps(self, within: "Context", model: str, at_ns: int, found: Answered) -> None:
        """The three steps, one after the other, reckoned back from the moment of the answer."""
        steps = (("tokenize", found.tokenize_s), ("queue", found.queue_s), ("infer", found.infer_s))
        start_ns = at_ns - sum(int(1e9 * seconds) for _, seconds in steps)
        for name, seconds in steps:
            end_ns = start_ns + int(1e9 * seconds)
            attributes: dict[str, Attribute] = {"compress.model": model}
            if name == "infer":
                attributes["compress.together"] = found.together
            span = self._tracer.start_span(name, context=within, attributes=attributes, start_time=start_ns)
            span.end(end_ns)
            start_ns = end_ns

    def close(self) -> None:
        """Send what is left, for some seconds at most: a collector that is away must not hold up the end."""
        flushing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        flushing.start()
        flushing.join(_FLUSH_S)


def open_tracing(variables: Mapping[str, str] = os.environ) -> Tracing | None:
    """Tracing as the `OTEL_*` variables say; None where they name no collector, or the extra is missing."""
    if not any(variables.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logging.getLogger(__name__).warning(
            'a collector is named, and no traces are sent: pip install "compress-toolchain[otel]"'
        )
        return None
    named = "OTEL_SERVICE_NAME" in variables or "service.name=" in variables.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if named else {"service.name": _SERVICE})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


def _answered(answers: Sequence[tuple[str, int, Answered]]) -> dict[str, Attribute]:
    """Of the model that was asked first: a teacher that it handed on to has the same texts again."""
    if not answers:
        return {}
    model, _, found = answers[0]
    tokens = sum(answer.tokens for answer in found.answers)
    return {"compress.model": model, "compress.items": len(found.answers), "compress.tokens": tokens}
