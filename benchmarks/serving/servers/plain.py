"""FastAPI around the session without batching: python plain.py BUNDLE PORT."""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from student import Student

student = Student(sys.argv[1])
app = FastAPI()


class Request(BaseModel):
    """A text."""

    inputs: str


@app.post("/predict")
def predict(request: Request) -> dict[str, object]:
    """In a thread of the pool, as a plain function is."""
    return student([request.inputs])[0]


uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
