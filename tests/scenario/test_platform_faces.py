"""``gatehouse platform publish-faces``: pictures on the platform's machine, sealed templates at the gate."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from set_bench import CONSENT, FACE_SET, SCOPE, SetBench, SetBox
from sync_bench import TENANT, until

from edge.access import Person
from edge.cli.app import main
from edge.demo.portraits import ASTRONAUT, HOPPER, portrait_path
from edge.errors import Exit
from edge.platform.face_list import read_face_list

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(find_spec("skimage") is None, reason="the demo extra is not installed"),
]


class Office:
    """Where the platform's people type; the list of faces lies beside the pictures."""

    def __init__(self, bench: SetBench, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.bench, self.folder, self._capsys = bench, folder, capsys
        folder.mkdir()
        for name, which in (("eileen", ASTRONAUT), ("grace", HOPPER)):
            picture = cv2.imdecode(np.fromfile(portrait_path(which), np.uint8), cv2.IMREAD_COLOR)
            assert cv2.imwrite(str(folder / f"{name}.png"), picture)
        assert cv2.imwrite(str(folder / "wall.png"), np.full((300, 300, 3), 120, np.uint8))
        self.said = ""

    def __call__(self, *words: str, faces: dict[str, str] | None = None, code: int = Exit.OK) -> str:
        """Publish {person: picture}; returns what was said."""
        given = ["platform", "publish-faces"]
        if faces is not None:
            listed = [
                {"person": person, "pictures": [picture], "consent": CONSENT}
                for person, picture in faces.items()
            ]
            (self.folder / "faces.json").write_text(json.dumps({"faces": listed}), encoding="utf-8")
            given.append(str(self.folder / "faces.json"))
        given += ["--broker", self.bench.broker.url, "--folder", str(self.bench.folder / "platform")]
        given += ["--tenant", TENANT, "--scope", SCOPE, *words]
        got = main(given)
        said = self._capsys.readouterr()
        assert got == code, said.out + said.err
        return said.out + said.err


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Office]:
    with SetBench(tmp_path) as bench:
        yield Office(bench, tmp_path / "office", capsys)


def knows(box: SetBox, *names: str) -> bool:
    box.follow()
    return set(box.known.gallery.names) == set(names)


def test_faces_go_from_pictures_to_the_gate_sealed_and_only_what_is_new_is_sent(office: Office) -> None:
    bench = office.bench
    bench.publisher()  # as serve-sets: it gives the box its key
    box = bench.set_box()
    for person in ("eileen", "grace"):
        box.sets.put_person(Person(person, person))
    said = office(faces={"eileen": "eileen.png", "wall": "wall.png"}, code=Exit.USAGE)
    assert f"{FACE_SET}: revision 1, 1 faces published, 0 stood already, 0 taken back, 1 left out" in said
    assert "wall: left out" in said
    until(lambda: knows(box, "eileen"), what="the face is decided with")

    said = office(faces={"eileen": "eileen.png", "grace": "grace.png"})
    assert "revision 2, 1 faces published, 1 stood already" in said
    until(lambda: knows(box, "eileen", "grace"), what="both are")
    assert box.known.roster.set_revs[FACE_SET] == 2
    sealed = (bench.folder / "platform" / "sets.db").read_bytes()
    assert b"PNG" not in sealed
    assert "同意" not in sealed.decode("utf-8", "ignore")

    said = office(faces={"eileen": "eileen.png", "second-id": "eileen.png"}, code=Exit.USAGE)
    assert "second-id: left out" in said
    assert "'eileen'" in said

    office("--remove", "grace")
    until(lambda: knows(box, "eileen"), what="the face is out")
    until(lambda: [receipt.person for receipt in box.sets.receipts()] == ["grace"], what="its receipt")
    said = office("--whole", faces={"grace": "grace.png"})
    assert "1 faces published, 0 stood already, 1 taken back" in said
    until(lambda: knows(box, "grace"), what="the list is the whole set")


def test_PRIV_1_without_a_complete_consent_nothing_of_a_list_is_published(office: Office) -> None:
    path = office.folder / "faces.json"
    for consent in (None, {**CONSENT, "under_14": True}, {**CONSENT, "who": ""}):
        face = {"person": "eileen", "pictures": ["eileen.png"], "consent": consent}
        path.write_text(json.dumps({"faces": [face]}), encoding="utf-8")
        code = main(
            [
                *("platform", "publish-faces", str(path), "--broker", office.bench.broker.url),
                *("--folder", str(office.bench.folder / "platform"), "--tenant", TENANT, "--scope", SCOPE),
            ]
        )
        assert code == Exit.REFUSED
    assert not (office.bench.folder / "platform" / "sets.db").exists()


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"faces": 3}',
        '{"faces": [], "more": 1}',
        '{"faces": [{"person": "", "pictures": ["a"], "consent": {}}]}',
        '{"faces": [{"person": "a", "pictures": [], "consent": {}}]}',
        '{"faces": [{"person": "a", "pictures": ["a"], "consent": {}, "name": "A"}]}',
    ],
)
def test_a_list_that_is_none_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faces.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=r"faces\.json") as found:
        read_face_list(path, 1_800_000_000)
    assert "\n" not in str(found.value)
    assert found.value.exit_code in (Exit.USAGE, Exit.REFUSED)


def test_a_replaced_box_may_show_a_new_key(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    folder = office.bench.folder / "platform"
    words = ["platform", "forget-box", f"{TENANT}/gate-7", "--folder", str(folder)]
    assert main(words) == Exit.UNAVAILABLE
    publisher = office.bench.publisher()
    publisher.table.trust(f"{TENANT}/gate-7", bytes(32))
    assert main(words) == Exit.OK
    publisher.table.trust(f"{TENANT}/gate-7", b"x" * 32)
    assert "已重置" in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("--whole",), ("--remove", "eileen", "with the list")])
def test_what_contradicts_itself_is_refused_before_anything_is_sent(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["platform", "publish-faces", "--broker", "mqtt://127.0.0.1:1", "--folder", str(tmp_path)]
    given += ["--tenant", TENANT, "--scope", SCOPE, *words[:2]]
    if len(words) > 2:
        face = {"person": "eileen", "pictures": ["eileen.png"], "consent": CONSENT}
        (tmp_path / "faces.json").write_text(json.dumps({"faces": [face]}), encoding="utf-8")
        given.append(str(tmp_path / "faces.json"))
    assert main(given) == Exit.USAGE
    assert ("which of the two" in capsys.readouterr().err) == (len(words) > 2)
