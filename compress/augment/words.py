"""The words of a text as the tokenizer separates them, each with its place in the text."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from serve.encoding import tokenize

# For each word those that may take its place.
Choices = tuple[str, ...]

APOSTROPHES = "'\u2019"

# Their neighbours in an embedding table are other function words, and "is" for "the" breaks a sentence
# without saying anything new. TinyBERT's program leaves such words alone too. English only: the words of
# other languages are all taken for content words.
_FUNCTION_WORDS = """
a about above after again against ain all am an and any are aren as at be because been before being
below between both but by can cannot could couldn did didn do does doesn doing don down during each few
for from further had hadn has hasn have haven having he her here hers herself him himself his how if in
into is isn it its itself just ll me might mightn more most must mustn my myself needn no nor not now of
off on once only or other our ours ourselves out over own re same shan she should shouldn so some such
than that the their theirs them themselves then there these they this those through to too under until
up ve very was wasn we were weren what when where which while who whom whose why will with won would
wouldn you your yours yourself yourselves
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """A word's place in its text, and the place of its token where it is one piece that may be substituted."""

    start: int  # characters
    end: int
    token: int | None


@dataclass(frozen=True)
class Words:
    """A text, its token ids with the special ones, and its words in order."""

    text: str
    ids: list[int]
    words: list[Word]

    def surface(self, word: Word) -> str:
        """The word as it stands in the text."""
        return self.text[word.start : word.end]


def read_words(tokenizer: Tokenizer, texts: Sequence[str], special_ids: Collection[int]) -> list[Words]:
    """The words of each text, as far as the tokenizer's truncation lets the models read it."""
    return [
        Words(text, encoding.ids, _words(text, encoding, special_ids))
        for text, encoding in zip(texts, tokenize(tokenizer, texts), strict=True)
    ]


def is_content_word(surface: str) -> bool:
    """Letters alone, more than one of them in an alphabet (a Chinese character is a word), no function word."""
    if not surface or surface.casefold() in FUNCTION_WORDS:
        return False
    if len(surface) == 1 and surface < "\u2e80":
        return False
    return surface.isalpha() or all(unicodedata.category(character)[0] in "LM" for character in surface)


def _words(text: str, encoding: Encoding, special_ids: Collection[int]) -> list[Word]:
    """Groups of pieces with a letter or digit; punctuation stands between words and is not one."""
    groups = _groups(text, encoding)
    if encoding.overflowing and groups:
        groups.pop()  # truncation may have cut it
    words: list[Word] = []
    for pieces in groups:
        start, end = _trimmed(text, pieces[0][1], pieces[-1][2])
        if words and text[words[-1].end : start] in set(APOSTROPHES):
            words[-1] = Word(words[-1].start, end, None)  # "don't" is one word, whatever the tokenizer says
            continue
        place = pieces[0][0] if len(pieces) == 1 else None
        if place is not None and (
            encoding.ids[place] in special_ids
            or not is_content_word(text[start:end])
            or text[max(start - 1, 0) : start] in set(APOSTROPHES)
        ):
            place = None
        words.append(Word(start, end, place))
    return words


def _groups(text: str, encoding: Encoding) -> list[list[tuple[int, int, int]]]:
    """For each word its pieces as (token, start, end), without the punctuation that is glued to its ends."""
    groups: list[list[tuple[int, int, int]]] = []
    last_word, last_end = None, 0
    for token, (word, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        if word is None:
            continue
        # Some tokenizers take a whole text for one word; a space ends a word all the same.
        if word != last_word or text[start:end][:1].isspace() or text[last_end:start].isspace():
            groups.append([])
        groups[-1].append((token, start, end))
        last_word, last_end = word, end
    trimmed = (_without_outer_punctuation(text, group) for group in groups)
    return [group for group in trimmed if group]


def _without_outer_punctuation(text: str, group: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    spoken = [place for place, (_, start, end) in enumerate(group) if _has_letter_or_digit(text[start:end])]
    return group[spoken[0] : spoken[-1] + 1] if spoken else []


def _has_letter_or_digit(piece: str) -> bool:
    return re.search(r"[^\W_]", piece) is not None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Some tokenizers count the space before a word to it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
