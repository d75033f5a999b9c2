"""How a student learns from its teacher. The union below is the registry of methods.

Each is one frozen options class in one file with one verb, `lesson`: from the student and its teachers to
what the training loop trains.
"""

from typing import Annotated

from pydantic import Field

from compress.distill.distilbert import DistilBert
from compress.distill.embedding import Embedding
from compress.distill.logits import Logits
from compress.distill.match import Match
from compress.distill.minilm import MiniLM
from compress.distill.mutual import Mutual
from compress.distill.plain import Plain
from compress.distill.theseus import Theseus
from compress.distill.tinybert import TinyBert

Distill = Annotated[
    Logits | Embedding | TinyBert | DistilBert | MiniLM | Theseus | Mutual | Match | Plain,
    Field(discriminator="method"),
]

METHODS: dict[str, type[Distill]] = {
    "logits": Logits,
    "embedding": Embedding,
    "tinybert": TinyBert,
    "distilbert": DistilBert,
    "minilm": MiniLM,
    "theseus": Theseus,
    "mutual": Mutual,
    "match": Match,
    "plain": Plain,
}

__all__ = [
    "METHODS",
    "Distill",
    "DistilBert",
    "Embedding",
    "Logits",
    "Match",
    "MiniLM",
    "Mutual",
    "Plain",
    "Theseus",
    "TinyBert",
]
