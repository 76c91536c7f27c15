"""The two networks, in torch: reader (crop to eight positions and kind), detector (picture to corners).

Both take uint8 pictures in BGR, channels last, and hold their own normalisation, so that nothing about it has
to be kept beside the exported file.
"""

from typing import Final

import torch
from torch import Tensor, nn

from models.plate.lattice_reader import CROP_PX, EMPTY, KINDS, SLOTS
from models.plate.refiner import PATCH_PX


def _conv(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Mixer(nn.Module):
    """One attention layer over all places of the feature map, written out so that it exports small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = 4
        self.before = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.grow = nn.Linear(width, 2 * width)
        self.shrink = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        mixed = self.query_key_value(self.before(tokens))
        query, key, value = mixed.reshape(batch, count, 3, self.heads, width // self.heads).permute(
            2, 0, 3, 1, 4
        )
        weight = torch.softmax(query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5, dim=-1)
        tokens = tokens + self.out((weight @ value).transpose(1, 2).reshape(batch, count, width))
        out: Tensor = tokens + self.shrink(torch.relu(self.grow(self.between(tokens))))
        return out


def _usual_places() -> Tensor:
    """(8, places) bias with which each query starts: about where its character stands on one-row plates.

    Without it the net needs thousands of steps only to find out which query means which character.
    """
    columns = CROP_PX[0] // 4
    middles = torch.tensor([2.9, 7.2, 13.9, 18.2, 22.5, 26.7, 31.0, 33.2])
    bell = -0.5 * ((torch.arange(columns) - middles[:, None]) / 1.8) ** 2
    return bell.clamp(min=-6.0).repeat(1, 3)


class ReaderNet(nn.Module):
    """Crop (n, 48, 144, 3) uint8 to log-probabilities (n, 8, classes) and (n, kinds).

    Convolutions to a 3 x 36 map, one attention layer that lets every place know the whole plate (so that it
    knows whether it stands first or fifth, and on which row), then eight learned queries that each fetch one
    position.
    """

    WIDTH: Final = 112

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv(3, 24, 2),
            _conv(24, 48, 2),
            _conv(48, 48),
            _conv(48, 80, (2, 1)),
            _conv(80, 80),
            nn.AvgPool2d((2, 1)),
            nn.Conv2d(80, self.WIDTH, 1),
        )
        places = 3 * CROP_PX[0] // 4
        self.place = nn.Parameter(torch.randn(1, places, self.WIDTH) * 0.02)
        self.mixer = _Mixer(self.WIDTH)
        self.normal = nn.LayerNorm(self.WIDTH)
        self.key = nn.Linear(self.WIDTH, self.WIDTH)
        self.queries = nn.Parameter(torch.randn(SLOTS, self.WIDTH) * 0.1)
        self.habit = nn.Parameter(_usual_places())
        self.character = nn.Sequential(
            nn.Linear(self.WIDTH, self.WIDTH), nn.ReLU(), nn.Linear(self.WIDTH, EMPTY + 1)
        )
        self.kind = nn.Linear(self.WIDTH, len(KINDS))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = picture.permute(0, 3, 1, 2).float()
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        spread = ((x - mean) ** 2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
        x = (x - mean) / (spread + 4.0)
        tokens = self.features(x).flatten(2).transpose(1, 2) + self.place
        tokens = self.normal(self.mixer(tokens))
        wanted = self.queries @ self.key(tokens).transpose(1, 2) * self.WIDTH**-0.5
        weight = torch.softmax(wanted + self.habit, dim=-1)
        characters = self.character(weight @ tokens)
        return torch.log_softmax(characters, dim=-1), torch.log_softmax(self.kind(tokens.mean(dim=1)), dim=-1)


class RefinerNet(nn.Module):
    """Cut around a found plate (n, 64, 128, 3) uint8 to (n, 10).

    0..7: how far each corner lies from where the finder put it, in heights of the found plate, along and
    across the cut; 8: probability that there is a plate; 9: probability of two rows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv(3, 16, 2), _conv(16, 32, 2), _conv(32, 48, 2), _conv(48, 48), _conv(48, 48),
            nn.Conv2d(48, 10, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        places = PATCH_PX[0] // 8 * (PATCH_PX[1] // 8)
        self.head = nn.Sequential(nn.Linear(10 * places, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))
        last = self.head[-1]
        assert isinstance(last, nn.Linear)  # noqa: S101
        nn.init.normal_(last.weight, 0.0, 0.01)
        nn.init.zeros_(last.bias)

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        x = picture.permute(0, 3, 1, 2).float()
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        spread = ((x - mean) ** 2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
        out = self.head(self.features((x - mean) / (spread + 4.0)).flatten(1))
        return torch.cat([out[:, :8], torch.sigmoid(out[:, 8:])], dim=1)


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = _separable(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


CORNER_UNIT_PX: Final = 16.0
"""What 1.0 of a corner output means."""


class DetectorNet(nn.Module):
    """Picture (n, height, width, 3) uint8 to a map (n, 10, height / 8, width / 8).

    Channel 0 is the probability that a plate's middle is in the cell, 1 the probability of two rows, 2..9 the
    corners' distances from the cell's middle in pixels (x, y of left-top, right-top, right-bottom,
    left-bottom). Height and width are multiples of 32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eighth = nn.Sequential(
            _conv(3, 16, 2), _conv(16, 24, 2), _conv(24, 56, 2), _Residual(56), _Residual(56)
        )
        self.sixteenth = nn.Sequential(_separable(56, 96, 2), _Residual(96), _Residual(96), _Residual(96))
        self.thirtysecond = nn.Sequential(_separable(96, 128, 2), *(_Residual(128) for _ in range(4)))
        self.from_thirtysecond = nn.Conv2d(128, 96, 1)
        self.at_sixteenth = _Residual(96)
        self.from_sixteenth = nn.Conv2d(96, 56, 1)
        self.head = nn.Sequential(_Residual(56), _separable(56, 64), nn.Conv2d(64, 10, 1))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None  # noqa: S101, PT018
        nn.init.constant_(last.bias, 0.0)
        nn.init.constant_(last.bias[:1], -4.0)  # plates are rare: start from "nothing here"

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        x = picture.permute(0, 3, 1, 2).float()
        eighth = self.eighth((x - 110.0) / 60.0)
        sixteenth = self.sixteenth(eighth)
        below = self.from_thirtysecond(self.thirtysecond(sixteenth))
        sixteenth = self.at_sixteenth(sixteenth + nn.functional.interpolate(below, scale_factor=2.0))
        eighth = eighth + nn.functional.interpolate(self.from_sixteenth(sixteenth), scale_factor=2.0)
        out = self.head(eighth)
        return torch.cat([torch.sigmoid(out[:, :2]), out[:, 2:] * CORNER_UNIT_PX], dim=1)
