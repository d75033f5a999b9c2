"""General distillation: a small pretrained encoder from raw text, which other recipes take as `student.model`."""
