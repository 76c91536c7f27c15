"""Pictures of passages: kept sealed, sent and deleted as consent and configuration say (PRIV-1).

- ``choosing`` (pure): of which decision a picture is kept, and on whose consent it rests.
- ``desk``: the thread ``pictures``: seals what its event names, follows consents, retention and orders.
- ``sending``: what the platform may have goes to it, after its event, part by part.
- ``opening``: the desk of a box, where one is wanted; ``orders``: the platform's signed command.

The store is ``edge.store.media``, the words on the wire are in ``edge.sync.picture_upload``.
"""

from edge.pictures.desk import PictureDesk
from edge.pictures.opening import open_pictures
from edge.pictures.orders import picture_handlers

__all__ = ["PictureDesk", "open_pictures", "picture_handlers"]
