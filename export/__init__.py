"""A trained model becomes ONNX: exported, proven against PyTorch, quantised, packed."""
