"""House rules that a machine can check: imports, packages, promises, the top level."""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "drivers", "models")
TOP_LEVEL = {"edge", "drivers", "models", "config", "systemd", "tests", "setup.cfg", "README.md"}
# What a tool, the law, or the two README commands insist on.
ALSO_ALLOWED = {".ci", ".gitignore", "LICENSE", "Makefile", "pyproject.toml", "README.zh-CN.md"}

# app -> workers -> logic -> vocabulary. A module imports only from a lower rank, or from its own part.
RANK = {
    "edge": 0,
    "edge.access": 1, "edge.evidence": 1, "edge.store": 2,
    "edge.vision": 3, "edge.lanes": 3, "edge.sync": 3, "edge.signs": 3, "edge.readers": 3,
    "edge.console": 4, "edge.platform": 4,
    "edge.known": 2, "edge.timekeeping": 3, "edge.read_rate": 1, "edge.following": 3, "edge.prompting": 1,
    "edge.presenting": 2, "edge.asking": 3, "edge.deciding": 4,
    "edge.kill_switch": 2.5, "edge.logbook": 1, "edge.crew": 1, "edge.keyholding": 3.5, "edge.errands": 1,
    "edge.site": 4.2, "edge.self_test": 4.6, "edge.by_hand": 4.5, "edge.remote": 4.7,
    "edge.commanding": 4.5, "edge.hatch": 4, "edge.overview": 4, "edge.enrolment": 4, "edge.simulation": 4,
    "edge.doctor": 4.3, "edge.scope": 4, "edge.pictures": 4, "edge.together": 4.8,
    "edge.app": 5, "edge.demo": 6, "edge.bench": 6.5,
    "edge.cli": 7, "edge.__main__": 8,
}  # fmt: skip
# Parts that draw films or sheets of plates; none of them runs at a gate.
DRAWERS = ("edge.demo", "edge.bench.films", "edge.cli.plate_")
ONLY_IMPORTERS = {
    "onnxruntime": {"models.runtime", "models.training.smaller"},  # the latter for its quantisation tool
    "serial": {"drivers.link"},
    "paho": {"edge.sync.uplink", "edge.sync.mqtt_link"},
    "apsw": {"edge.store"},
}
LONGEST_FILE = 400


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(module: str) -> str:
    return max((part for part in RANK if module == part or module.startswith(part + ".")), key=len)


def import_faults(module: str, imported: str) -> str | None:
    """Why ``module`` may not import ``imported``; None when it may."""
    top = imported.split(".")[0]
    for library, allowed in ONLY_IMPORTERS.items():
        if top == library and not any(module == a or module.startswith(a + ".") for a in allowed):
            return f"{module} imports {library}; only {', '.join(sorted(allowed))} may"
    if top not in PACKAGES:
        return None
    own_top = module.split(".")[0]
    if own_top != "edge":
        return None if top == own_top else f"{module} imports {imported}: {own_top} stands alone"
    if imported.startswith("models.training") and not module.startswith(DRAWERS):
        return f"{module} imports {imported}: nothing at run time imports training"
    if top == "edge":
        mine, theirs = part_of(module), part_of(imported)
        if mine != theirs and RANK[theirs] >= RANK[mine]:
            return f"{module} imports {imported}: imports run downwards only"
    return None


def test_imports_run_downwards_only() -> None:
    faults = {f for name, path in modules() for i in imports_of(path) if (f := import_faults(name, i))}
    assert not faults, "\n".join(sorted(faults))


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("drivers.relay.lcus", "edge.clock"),
        ("models.face", "drivers.errors"),
        ("edge.access.policy", "edge.store.journal"),
        ("edge.lanes.lane", "edge.app"),
        ("edge.records", "edge.lanes"),
        ("edge.lanes.lane", "edge.sync.topics"),
        ("edge.app", "paho.mqtt.client"),
        ("models.plate.reader", "onnxruntime"),
        ("edge.vision.loop", "models.training.plates"),
    ],
)
def test_the_import_rule_catches_what_it_forbids(module: str, imported: str) -> None:
    assert import_faults(module, imported)


def test_one_process_holds_one_copy_of_sqlite() -> None:
    # Two copies in a process drop each other's locks; see foreign_hand.py.
    everywhere = [path for _, path in modules()] + sorted((ROOT / "tests").rglob("*.py"))
    assert [path for path in everywhere if "sqlite3" in imports_of(path)] == []


def test_every_folder_with_modules_is_a_package_that_gets_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    include = setup["options.packages.find"]["include"].split()
    installed = set(find_packages(str(ROOT), include=include))
    in_tree = {".".join(path.parent.relative_to(ROOT).parts) for _, path in modules()}
    assert installed == in_tree


def test_no_module_is_longer_than_anybody_likes_to_read() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_package_says_what_it_is() -> None:
    for name, path in modules():
        if path.name == "__init__.py":
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert docstring, f"{name} has no docstring"
            assert "To be described" not in docstring, name


def test_the_map_in_the_daemons_docstring_names_every_part() -> None:
    docstring = (
        ast.get_docstring(ast.parse((ROOT / "edge" / "__init__.py").read_text(encoding="utf-8"))) or ""
    )
    parts = {
        p.stem for p in (ROOT / "edge").iterdir() if not p.name.startswith("__") and p.suffix in ("", ".py")
    }
    missing = {part for part in parts if not re.search(rf"\b{part}\b", docstring)}
    assert not missing, f"edge.__doc__ does not name {sorted(missing)}"


def test_the_top_level_holds_only_what_belongs_there() -> None:
    ignored = {line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    names = {p.name for p in ROOT.iterdir()} - {".git", "__pycache__", "gatehouse.egg-info"} - ignored
    unexpected = {n for n in names - TOP_LEVEL - ALSO_ALLOWED if not n.startswith(".coverage")}
    assert not unexpected, f"does not belong at the top: {sorted(unexpected)}"
    assert names >= TOP_LEVEL


def promise_rows() -> list[tuple[str, str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(
        r"^\| ((?:SAFE|ACC|DEL|CFG|CMD|PRIV|OPS)-\d) \|.*\| ([^|]*) \|$", text, flags=re.MULTILINE
    )


def test_the_readme_names_an_existing_test_for_every_promise() -> None:
    rows = promise_rows()
    assert len({promise for promise, _ in rows}) == 14
    sources = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py")}
    for promise, cell in rows:
        named = re.findall(r"`(test_[a-z0-9_]+\.py)::(test_\w+|\w+)`", cell)
        assert named, f"{promise} names no test"
        for file, test in named:
            assert file in sources, f"{promise}: there is no {file}"
            assert re.search(rf"(def|class) {test}\b", sources[file]), f"{promise}: {file} has no {test}"


def test_no_file_names_this_machine_or_its_people() -> None:
    words = re.compile(r"/work/|/root/|\.\./shared/(?:DESIGN|reference)")
    data = [path for path in (ROOT / "config").rglob("*") if path.is_file()]
    for path in [*ROOT.glob("*.md"), *(p for _, p in modules()), *data]:
        found = words.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path}: {found.group() if found else ''}"
