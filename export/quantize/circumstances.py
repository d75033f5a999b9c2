"""What a quantiser may know besides the model: texts to calibrate on, the processor, nodes to leave alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from export.quantize.ranges import Range
from serve.encoding import Integers

Feed = Mapping[str, Integers]

# Instructions that add products of 8-bit numbers up in 32 bits. Without one of them x86 adds pairs of products up
# in 16 bits, where 255 * 127 twice is cut off at 32767 and the answer is wrong in silence (onnxruntime#6004).
_WIDE_SUMS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimddp"})


def saturates(instruction_set: Collection[str]) -> bool:
    """Products of unsigned and signed 8-bit numbers may be cut off on a processor with these instructions.

    Where the set is not known (empty) they may, too.
    """
    return not _WIDE_SUMS & set(instruction_set)


@dataclass(frozen=True)
class Circumstances:
    """Where and on what a file is quantised."""

    # One text each, unpadded: arrays (1, tokens) by the graph's input names. Padding would widen the ranges.
    feeds: Sequence[Feed] = ()
    saturates: bool = False  # then weights have 7 bits: 255 * 64 twice stays below 32767
    keep_float: frozenset[str] = frozenset()  # names of nodes
    learned: Mapping[str, Range] = field(
        default_factory=dict
    )  # by the fingerprint of a linear layer's weights


ANY = Circumstances()  # no texts, a processor that does not saturate, nothing left out
