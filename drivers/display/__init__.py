"""LED signs and voice cards of a lane.

- ``base``: the contract, colours and capabilities.
- ``text``: GBK, and how wide a text is.
- ``fk``, ``kf``: the two families of cards on Chinese parking lanes; ``*_codec`` are their bytes.
- ``panel``: what stands on a card, drawn for terminals and pages.
"""

from drivers.display.base import Colour, Display, DisplayCapabilities
from drivers.display.fk import FkCard
from drivers.display.kf import KfCard, KfVoice
from drivers.display.panel import Row, panel_svg, panel_text

__all__ = [
    "Colour",
    "Display",
    "DisplayCapabilities",
    "FkCard",
    "KfCard",
    "KfVoice",
    "Row",
    "panel_svg",
    "panel_text",
]
