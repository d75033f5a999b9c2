"""No quantisation: the float file ships."""

from typing import Literal

from export.options import Options


class KeepFloat(Options):
    """Ship the float file: there is nothing to make."""

    method: Literal["none"]
