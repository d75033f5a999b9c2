"""What each task's answers look like; one file per task."""

from serve.tasks.text_classification import Classification

# The union of the tasks' answers; a new task adds its answer here.
Answer = Classification

__all__ = ["Answer", "Classification"]
