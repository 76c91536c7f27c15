"""The section ``[sets]``: permits and faces that the platform publishes for many boxes."""

from typing import Literal

from pydantic import Field

from edge.settings_boards import Name, Section

SetKind = Literal["permits", "faces"]


class SetSettings(Section):
    """Sets of a scope: a court, a site, whatever the platform publishes one roster for."""

    scope: Name | None = Field(default=None, description="Whose sets this box takes; not given: none.")
    take: tuple[SetKind, ...] = Field(
        default=("permits", "faces"), description="faces: only those made by this box's own embedder."
    )
    snapshot: Literal["http", "mqtt"] = Field(
        default="http", description="How a whole set is fetched; http falls back to mqtt."
    )
    limit_mb: int = Field(default=512, ge=1, le=8192, description="A larger snapshot is not fetched.")
    stale_after_h: float = Field(
        default=72.0,
        gt=0,
        le=8760,
        description="A set without news for so long is stale; a manifest may say less.",
    )
