"""One peer in a process and an environment of its own: it loads a model once and times what it is told to.

    python worker.py KIND MODEL THREADS

Speaks JSON over its standard streams, a line each way. Asked {"arrays": [{"input_ids": [[...]], ...}, ...],
"answer": false} it answers every batch once untimed for a start, then times each, and gives {"ms": [...]}; with
"answer": true it gives {"logits": [...]} instead. Imports nothing of this project but for what is ours: the
environments of peers do not have it.
"""

import json
import os
import sys
import time


def ours(path, threads):
    """A file in ONNX Runtime, as this project opens it."""
    from serve.session import session_options

    return onnxruntime(path, threads, session_options(threads, "cpu"))


def ours_one_by_one(path, threads):
    """The same, text by text without padding: how a model is served whose answers depend on their batch."""
    import numpy as np

    run = ours(path, threads)

    def answer(arrays):
        lengths = arrays["attention_mask"].sum(axis=1)
        rows = range(len(lengths))
        return np.concatenate(
            [
                run({name: values[row : row + 1, : lengths[row]] for name, values in arrays.items()})
                for row in rows
            ]
        )

    return answer


def onnxruntime(path, threads, options=None):
    """A file in ONNX Runtime, as its own documentation runs it."""
    import onnxruntime as ort

    if options is None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return lambda arrays: session.run(None, {name: arrays[name] for name in names})[0]


def torch_eager(path, threads, compiled=False):
    """PyTorch in inference mode, float32, with its own scaled dot product attention."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    if compiled:
        model = torch.compile(model, dynamic=True)

    def answer(arrays):
        with torch.inference_mode():
            return model(**{name: torch.from_numpy(values) for name, values in arrays.items()}).logits.numpy()

    return answer


def torch_compiled(path, threads):
    """The same through `torch.compile`."""
    return torch_eager(path, threads, compiled=True)


def openvino(path, threads):
    """OpenVINO as it comes: bfloat16 where the processor has it."""
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = core.compile_model(core.read_model(path), "CPU", settings)
    names = [value.get_any_name() for value in model.inputs]
    request = model.create_infer_request()
    return lambda arrays: request.infer({name: arrays[name] for name in names})[model.output(0)]


def product_onnxruntime(path, threads):
    """A graph of one large product, on values of its own."""
    run, given = onnxruntime(path, threads), factor()
    return lambda _: run({"x": given})


def product_openvino(path, threads):
    """The same in OpenVINO."""
    run, given = openvino(path, threads), factor()
    return lambda _: run({"x": given})


def factor():
    """Numbers for the large product, as many as `product.SIDE` says."""
    import numpy as np

    return np.random.default_rng(0).uniform(-1, 1, (2048, 2048)).astype(np.float32)


KINDS = {
    kind.__name__: kind
    for kind in (
        ours,
        ours_one_by_one,
        onnxruntime,
        torch_eager,
        torch_compiled,
        openvino,
        product_onnxruntime,
        product_openvino,
    )
}


def main(kind, path, threads):
    """Answer until the other side is gone."""
    replies, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not come between
    import numpy as np

    answer = KINDS[kind](path, threads)
    replies.write('{"ready": true}\n')
    replies.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        batches = [
            {name: np.asarray(values, dtype=np.int64) for name, values in arrays.items()}
            for arrays in asked["arrays"]
        ]
        if asked["answer"]:
            reply = {"logits": [np.asarray(answer(arrays), dtype=np.float32).tolist() for arrays in batches]}
        else:
            for arrays in batches[:2]:
                answer(arrays)
            times = []
            for arrays in batches:
                start = time.perf_counter()
                answer(arrays)
                times.append(1000 * (time.perf_counter() - start))
            reply = {"ms": times}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = sys.argv[3]
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
