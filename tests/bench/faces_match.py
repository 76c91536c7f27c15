"""One probe against 10,000 to 100,000 templates: ours, a plain numpy product, faiss-cpu flat if installed.

    OPENBLAS_NUM_THREADS=1 python tests/bench/faces_match.py --faces lfw-dev --json out.json

Templates are drawn from a normal distribution with mean and covariance of real ones (with --faces), else from
one with a spectrum like theirs. All on one thread: run it with OPENBLAS_NUM_THREADS=1. Ours also finds the
runner-up and nine more persons for the neighbourhood, and is checked to name the same nearest template as the
full scan.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.face import Gallery, open_detector, open_embedder
from models.face.evaluation import describe_pictures, pictures_by_person

PROBES = 300


def model_of_faces(folder: Path | None, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and a matrix that turns unit noise into deviations."""
    if folder is None:
        spread = 0.19 * np.exp(-np.arange(128) / 25)
        return np.full(128, 0.08), np.linalg.qr(np.random.default_rng(1).normal(size=(128, 128)))[0] * spread
    paths = [path for paths in pictures_by_person(folder).values() for path in paths]
    described = describe_pictures(
        paths, open_detector("hog"), open_embedder("dlib-onnx", cache_dir=cache, mirrored=False)
    )
    templates = np.array(list(described.templates.values()), np.float64)
    values, vectors = np.linalg.eigh(np.cov(templates.T))
    return templates.mean(axis=0), vectors * np.sqrt(np.maximum(values, 0))


def milliseconds(run: Callable[[np.ndarray], object], probes: np.ndarray) -> tuple[list, float, float]:
    answers, taken = [], []
    for probe in probes:
        started = time.perf_counter()
        answers.append(run(probe))
        taken.append(1000 * (time.perf_counter() - started))
    return answers, float(np.median(taken)), float(np.percentile(taken, 99))


def full_scan(templates: np.ndarray) -> Callable[[np.ndarray], int]:
    squares = np.einsum("ij,ij->i", templates, templates)
    return lambda probe: int((squares - 2 * (templates @ probe)).argmin())


def faiss_flat(templates: np.ndarray) -> Callable[[np.ndarray], int] | None:
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(templates.shape[1])
    index.add(templates)
    return lambda probe: int(index.search(probe[None], 1)[1][0, 0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/gatehouse-bench"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("set OPENBLAS_NUM_THREADS=1, or numpy is measured with all cores")
    mean, deviation = model_of_faces(arguments.faces, arguments.cache)
    rng = np.random.default_rng(7)
    result: dict[str, dict[str, object]] = {}
    for size in (10_000, 50_000, 100_000):
        templates = (mean + rng.normal(size=(size, 128)) @ deviation.T).astype(np.float32)
        # Half the probes are other pictures of somebody enrolled, half are strangers.
        fresh = mean + rng.normal(size=(PROBES, 128)) @ deviation.T
        enrolled = templates[rng.integers(0, size, PROBES)]
        near = mean + 0.8 * (enrolled - mean) + 0.6 * (fresh - mean)
        probes = np.where(np.arange(PROBES)[:, None] % 2 == 0, near, fresh).astype(np.float32)

        started = time.perf_counter()
        gallery = Gallery.build("bench", ((str(row), template) for row, template in enumerate(templates)))
        built = time.perf_counter() - started
        matches, ours, ours_p99 = milliseconds(gallery.match, probes)
        products, plain, _ = milliseconds(full_scan(templates), probes)
        row: dict[str, object] = {
            "ours p50 ms": ours,
            "ours p99 ms": ours_p99,
            "numpy p50 ms": plain,
            "same nearest": float(
                np.mean([m.subject == str(n) for m, n in zip(matches, products, strict=True)])
            ),
            "build s": built,
        }
        flat_index = faiss_flat(templates)
        if flat_index is None:
            row["faiss"] = "not installed"
        else:
            found, flat, _ = milliseconds(flat_index, probes)
            same = [match.subject == str(number) for match, number in zip(matches, found, strict=True)]
            row |= {"faiss p50 ms": flat, "ours / faiss": ours / flat, "same as faiss": float(np.mean(same))}
        started = time.perf_counter()
        larger = gallery.with_person("new", [probes[0]])
        row["add ms"] = 1000 * (time.perf_counter() - started)
        started = time.perf_counter()
        larger.without_person("5")
        row["remove ms"] = 1000 * (time.perf_counter() - started)
        result[str(size)] = row
        print(size, {key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
