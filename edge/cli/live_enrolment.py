"""The terminal while a person sits before the camera: what to do now, what is done, and their own picture."""

from types import TracebackType
from typing import Self

import cv2
import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from edge.enrolment import HINT_TEXT, VIEW_TEXT, Advice, Hint, Scene, View
from edge.enrolment.guidance import BRIGHT, DARK, LEAST_SHARPNESS, LEAST_TURN, NEAR_EYES_PX, STRAIGHT
from models.results import BgrImage, FaceDetection

PREVIEW_COLUMNS, PREVIEW_ROWS = 48, 18
_BAR = 20
_GOOD_HINTS = (Hint.HOLD, Hint.TAKEN, Hint.DONE)
_LEAST_COLUMNS = 100


class LiveEnrolment:
    """Draws scenes. On a terminal one screen that changes; elsewhere a line whenever there is news.

    Thread: one. Use as a context manager.
    """

    def __init__(self, console: Console, camera: str, *, preview: bool) -> None:
        self._console, self._camera = console, camera
        self._preview = preview and console.width >= _LEAST_COLUMNS and console.color_system is not None
        self._live: Live | None = None
        self._said: tuple[Hint, View | None] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                Panel("... 正在打开摄像机", title=self._title()),
                console=self._console,
                transient=True,
                auto_refresh=False,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        """Draw one scene."""
        if self._live is not None:
            self._live.update(
                Panel(self._drawn(scene), title=self._title(), width=self._width()), refresh=True
            )
            return
        said = (scene.advice.hint, scene.advice.view)
        if said != self._said:
            self._said = said
            self._console.print(_line(scene.advice), markup=False)

    def _title(self) -> str:
        return f"enrolment 人脸采集 · {self._camera}"

    def _width(self) -> int:
        return min(self._console.width, 104 if self._preview else 64)

    def _drawn(self, scene: Scene) -> RenderableType:
        told = _told(scene)
        if not self._preview:
            return told
        grid = Table.grid(padding=(0, 2))
        grid.add_row(preview(scene.image, scene.face), told)
        return grid


def preview(image: BgrImage, face: FaceDetection | None) -> Text:
    """The picture as coloured half blocks, as in a mirror; the face in a frame."""
    columns, rows = PREVIEW_COLUMNS, PREVIEW_ROWS * 2
    height, width = image.shape[:2]
    scale = max(columns / width, rows / height)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (small.shape[0] - rows) // 2, (small.shape[1] - columns) // 2
    if face is not None:
        corners = [round(value * scale) for value in (face.left, face.top, face.right, face.bottom)]
        small = np.ascontiguousarray(small)
        cv2.rectangle(small, (corners[0], corners[1]), (corners[2], corners[3]), (80, 220, 80), 1)
    window = small[top : top + rows, left : left + columns][:, ::-1]
    text = Text(no_wrap=True, end="")
    for row in range(0, rows, 2):
        for (b1, g1, r1), (b2, g2, r2) in zip(window[row].tolist(), window[row + 1].tolist(), strict=True):
            text.append("▀", Style(color=f"rgb({r1},{g1},{b1})", bgcolor=f"rgb({r2},{g2},{b2})"))
        if row + 2 < rows:
            text.append("\n")
    return text


def _told(scene: Scene) -> RenderableType:
    advice, look = scene.advice, scene.look
    english, chinese = HINT_TEXT[advice.hint]
    style = "bold green" if advice.hint in _GOOD_HINTS else "bold yellow"
    lines: list[RenderableType] = [
        Text(chinese, style=style),
        Text(english, style=style),
        Text(""),
        _bar("hold 保持", advice.held, "green"),
        Text(""),
        *(_view_line(view, advice) for view in View),
        Text(""),
    ]
    if look.persons == 1:
        wanted = LEAST_TURN if advice.view in (View.LEFT, View.RIGHT) else STRAIGHT
        turn = {View.LEFT: look.sideways, View.RIGHT: -look.sideways}.get(advice.view or View.FRONT)
        turned = abs(look.sideways) <= wanted if turn is None else turn >= wanted
        lines += [
            _check("near 距离", look.eye_distance_px >= NEAR_EYES_PX, f"{look.eye_distance_px:.0f} px"),
            _check("light 光线", DARK <= look.brightness <= BRIGHT, f"{look.brightness:.0f}"),
            _check("sharp 清晰", look.sharpness >= LEAST_SHARPNESS, f"{look.sharpness:.0f}"),
            _check("turn 角度", turned, f"{look.sideways:+.2f}"),
        ]
    else:
        lines += [Text(f"  persons 人数: {look.persons}", style="dim"), Text(""), Text(""), Text("")]
    lines += [Text(""), Text(f"{advice.left_s:3.0f} s  剩余时间", style="dim")]
    return Group(*lines)


def _view_line(view: View, advice: Advice) -> Text:
    english, chinese = VIEW_TEXT[view]
    if view in advice.taken:
        return Text(f"[x] {chinese} {english}", style="green")
    if view in advice.given_up:
        return Text(f"[-] {chinese} {english}", style="dim")
    return Text(f"[ ] {chinese} {english}", style="bold" if view is advice.view else "")


def _check(name: str, is_good: bool, value: str) -> Text:
    return Text(f"  {'ok' if is_good else '..'}  {name}  {value}", style="green" if is_good else "yellow")


def _bar(name: str, share: float, style: str) -> Text:
    full = round(_BAR * min(1.0, max(0.0, share)))
    text = Text(f"{name} ")
    text.append("█" * full, style=style)
    text.append("░" * (_BAR - full), style="dim")
    return text


def _line(advice: Advice) -> str:
    english, chinese = HINT_TEXT[advice.hint]
    view = "" if advice.view is None else f"[{' '.join(VIEW_TEXT[advice.view])}] "
    return f"{view}{chinese} {english}"
