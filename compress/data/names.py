"""The names that columns of texts and of labels usually have, in the order in which they are looked for."""

TEXT_NAMES = ("text", "sentence", "content", "review", "utterance", "query", "message", "body")
# First and second text, as the pair sets of GLUE and others name them.
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "context"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
)
LABEL_NAMES = ("label", "labels", "intent", "class", "category", "target")
