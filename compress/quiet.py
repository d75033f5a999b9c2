"""Keeping the libraries' own bars and advice off the terminal; ours tell what people need."""

import logging
import os
import warnings


def quiet_libraries() -> None:
    """Progress bars off, errors only. `COMPRESS_VERBOSE=1` leaves everything as it is."""
    if os.environ.get("COMPRESS_VERBOSE"):
        return
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # what it logs as errors it raises as well
    for name in ("torch.onnx", "onnxscript", "onnx_ir", "onnxruntime", "accelerate", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\..*")
