"""Answers of the float ONNX file beside those of other people's libraries over the same weights."""
