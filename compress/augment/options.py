"""What a recipe says about augmentation."""

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from export.options import Options

Probability = Annotated[float, Field(ge=0, le=1)]


class Augment(Options):
    """How many copies are made of a text, and how they differ from it. A probability of 0 switches a kind off.

    The defaults are the papers': p = 0.4 and K = 15 of TinyBERT, p_mask = 0.1 and p_ng = 0.25 of Tang et al.
    """

    copies: PositiveInt = 10  # of each text, at most
    substitute: Probability = 0.4  # of a word: another one takes its place
    candidates: PositiveInt = 15  # how many words may take a word's place
    mask: Probability = 0.1  # of a word: the mask token takes its place
    ngram: Probability = 0.25  # of a copy: 1 to 5 words in a row are all that stays of it

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if not self.substitute and not self.mask and not self.ngram:
            raise ValueError(
                "substitute, mask and ngram are all 0, so that no copy would differ from its text; "
                "give one of them, or take augment: out"
            )
        # A word is masked or substituted, not both (Tang et al.).
        if self.substitute + self.mask > 1:
            raise ValueError(
                f"substitute and mask together are {self.substitute + self.mask:g}, and a word has one fate; "
                "they should be at most 1 together"
            )
        return self


def expected_rows(texts: int, options: Augment) -> int:
    """How many texts augmentation adds, at most; very short texts give fewer copies that differ."""
    return texts * options.copies
