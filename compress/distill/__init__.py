"""How a student learns from its teacher. The union below is the registry of methods."""

from typing import Annotated

from pydantic import Field

from compress.distill.logits import Logits

# With a second method this becomes `Logits | Other`; the discriminator then names the choices.
Distill = Annotated[Logits, Field()]

__all__ = ["Distill", "Logits"]
