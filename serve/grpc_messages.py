"""The messages of the Open Inference Protocol over gRPC, with those that Triton adds.

Built from the table below instead of generated code, which would tie this package to one version of protobuf's
compiler. Names and numbers of fields are those of
https://github.com/kserve/open-inference-protocol (specification/protocol/open_inference_grpc.proto) and of Triton's
grpc_service.proto; only what is answered here is listed, and protobuf passes the rest over.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}

# A line per field: number, type, name. `*` is repeated, `map` one from strings to parameters, `|` one of several.
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "1 bool live",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "1 bool ready",
    "ModelReadyRequest": "1 string name; 2 string version",
    "ModelReadyResponse": "1 bool ready",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "1 string name; 2 string version; 3 *string extensions",
    "ModelMetadataRequest": "1 string name; 2 string version",
    "TensorMetadata": "1 string name; 2 string datatype; 3 *int64 shape",
    "ModelMetadataResponse": (
        "1 string name; 2 *string versions; 3 string platform; 4 *TensorMetadata inputs; 5 *TensorMetadata outputs"
    ),
    "InferParameter": (
        "1 |bool bool_param; 2 |int64 int64_param; 3 |string string_param; 4 |double double_param; "
        "5 |uint64 uint64_param"
    ),
    "InferTensorContents": (
        "1 *bool bool_contents; 2 *int32 int_contents; 3 *int64 int64_contents; 4 *uint32 uint_contents; "
        "5 *uint64 uint64_contents; 6 *float fp32_contents; 7 *double fp64_contents; 8 *bytes bytes_contents"
    ),
    "InferTensor": (
        "1 string name; 2 string datatype; 3 *int64 shape; 4 map parameters; 5 InferTensorContents contents"
    ),
    "InferRequestedOutput": "1 string name; 2 map parameters",
    "ModelInferRequest": (
        "1 string model_name; 2 string model_version; 3 string id; 4 map parameters; 5 *InferTensor inputs; "
        "6 *InferRequestedOutput outputs; 7 *bytes raw_input_contents"
    ),
    "ModelInferResponse": (
        "1 string model_name; 2 string model_version; 3 string id; 4 map parameters; 5 *InferTensor outputs; "
        "6 *bytes raw_output_contents"
    ),
    "ModelConfigRequest": "1 string name; 2 string version",
    "ModelInput": "1 string name; 2 int32 data_type; 4 *int64 dims",
    "ModelOutput": "1 string name; 2 int32 data_type; 3 *int64 dims",
    "ModelConfig": (
        "1 string name; 2 string platform; 4 int32 max_batch_size; 5 *ModelInput input; 6 *ModelOutput output; "
        "17 string backend"
    ),
    "ModelConfigResponse": "1 ModelConfig config",
    "ModelStatisticsRequest": "1 string name; 2 string version",
    "StatisticDuration": "1 uint64 count; 2 uint64 ns",
    "InferStatistics": (
        "1 StatisticDuration success; 2 StatisticDuration fail; 3 StatisticDuration queue; "
        "4 StatisticDuration compute_input; 5 StatisticDuration compute_infer; 6 StatisticDuration compute_output"
    ),
    "ModelStatistics": (
        "1 string name; 2 string version; 3 uint64 last_inference; 4 uint64 inference_count; "
        "5 uint64 execution_count; 6 InferStatistics inference_stats"
    ),
    "ModelStatisticsResponse": "1 *ModelStatistics model_stats",
    "RepositoryIndexRequest": "1 string repository_name; 2 bool ready",
    "ModelIndex": "1 string name; 2 string version; 3 string state; 4 string reason",
    "RepositoryIndexResponse": "1 *ModelIndex models",
}


def _described(name: str, fields: str) -> descriptor_pb2.DescriptorProto:
    described = descriptor_pb2.DescriptorProto(name=name)
    for line in filter(None, fields.split("; ")):
        number, kind, field_name = line.split()
        field = described.field.add(name=field_name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind == "map":
            entry = described.nested_type.add(name=f"{field_name.title()}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
            _typed(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), "InferParameter")
            field.label = _Field.LABEL_REPEATED
            field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{name}.{entry.name}"
            continue
        if kind.startswith("*"):
            field.label = _Field.LABEL_REPEATED
        if kind.startswith("|"):
            field.oneof_index = 0
        _typed(field, kind.lstrip("*|"))
    if "|" in fields:
        described.oneof_decl.add(name="parameter_choice")
    return described


def _typed(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="compress_open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    file.message_type.extend(_described(name, fields) for name, fields in _MESSAGES.items())
    pool = (
        descriptor_pool.DescriptorPool()
    )  # our own: a client in this process may have put its own in the default one
    pool.Add(file)
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(found[name]) for name in _MESSAGES}


MESSAGES: dict[str, Any] = _classes()  # classes by name
