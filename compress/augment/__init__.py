"""More texts to learn from, made of those that there are; the teacher alone labels them.

Three kinds, from two papers. Substitution: Jiao et al., "TinyBERT: Distilling BERT for Natural Language
Understanding" (2020), Algorithm 1. Masking and n-gram sampling: Tang et al., "Distilling Task-Specific
Knowledge from BERT into Simple Neural Networks" (2019), the section on data augmentation. The latter's
replacement by words of the same part of speech is left out: it needs a tagger for every language.
"""

from compress.augment.masked_lm import masked_lm_of
from compress.augment.options import Augment, expected_rows
from compress.augment.texts import augmented_texts

__all__ = ["Augment", "augmented_texts", "expected_rows", "masked_lm_of"]
