"""transformers.pipeline behind FastAPI: python pipeline.py MODEL PORT. The student's own weights in PyTorch."""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

torch.set_num_threads(1)
classify = pipeline("text-classification", model=sys.argv[1])
app = FastAPI()


class Request(BaseModel):
    """A text."""

    inputs: str


@app.post("/predict")
def predict(request: Request) -> dict[str, object]:
    """In a thread of the pool, as a plain function is."""
    with torch.inference_mode():
        return dict(classify(request.inputs)[0])


uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
