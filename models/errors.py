"""Errors of the models.

ModelError(name)
├── ModelNotFound    (FileNotFoundError)  a weights file or package is missing; says how to get it
├── ModelMismatch    (ValueError)         wrong checksum, shape or content
├── InferenceFailed  (RuntimeError)       the network could not be run
└── PictureUnusable  (ValueError)         not a picture, or nothing usable in it
    └── FacesUnusable                     not exactly one face in it
"""


class ModelError(Exception):
    """Root. ``name`` is the model or file the error is about."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class ModelNotFound(ModelError, FileNotFoundError):
    """A weights file or package is missing."""


class ModelMismatch(ModelError, ValueError):
    """A weights file is not the one that was expected."""


class InferenceFailed(ModelError, RuntimeError):
    """The network could not be run on this input."""


class PictureUnusable(ModelError, ValueError):
    """The bytes are no picture, or the picture cannot be used for what was asked."""


class FacesUnusable(PictureUnusable):
    """The picture does not show exactly one person; ``count`` says how many, ``found`` in words."""

    def __init__(self, name: str, count: int, found: str, advice: str) -> None:
        super().__init__(name, f"{found} found: {advice}")
        self.count = count
        self.found = found
