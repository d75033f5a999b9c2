"""The tasks, by the names that the Hub uses."""

BUILT = ("text-classification", "fill-mask")
PLANNED = (
    "token-classification",
    "question-answering",
    "sentence-similarity",
    "feature-extraction",
)
