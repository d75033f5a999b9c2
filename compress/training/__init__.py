"""How a model is trained: options, arguments, data feeding, checkpoints, progress."""
