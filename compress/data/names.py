"""The names that columns of texts and of labels usually have, in the order in which they are looked for."""

TEXT_NAMES = ("text", "sentence", "content", "review", "utterance", "query", "message", "body")
LABEL_NAMES = ("label", "labels", "intent", "class", "category", "target")
