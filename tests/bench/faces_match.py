"""One probe against 10,000 to 100,000 persons: ours, a plain numpy product, faiss-cpu flat if installed.

    OPENBLAS_NUM_THREADS=1 python tests/bench/faces_match.py --faces lfw-dev --json out.json

Templates are drawn from a normal distribution with mean and covariance of real ones (with --faces), else from
one with a spectrum like theirs, and brought to one length as our galleries do it. All on one thread: run it
with OPENBLAS_NUM_THREADS=1. Ours (float32, and compact: int8 scan, float16 points) also finds the runner-up
and two more persons for the neighbourhood, and is checked to name the same nearest person as the full scan.
The last row of each size has three templates for each person.
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


def model_of_faces(folder: Path | None, cache: Path, yunet: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and a matrix that turns unit noise into deviations."""
    if folder is None:
        spread = 0.19 * np.exp(-np.arange(128) / 25)
        return np.full(128, 0.08), np.linalg.qr(np.random.default_rng(1).normal(size=(128, 128)))[0] * spread
    paths = [path for paths in pictures_by_person(folder).values() for path in paths]
    described = describe_pictures(
        paths,
        open_detector("auto", yunet_path=yunet),
        open_embedder("dlib-onnx", cache_dir=cache, mirrored=False),
    )
    templates = np.array(list(described.templates.values()), np.float64)
    values, vectors = np.linalg.eigh(np.cov(templates.T))
    return templates.mean(axis=0), vectors * np.sqrt(np.maximum(values, 0))


def at_one_length(templates: np.ndarray) -> np.ndarray:
    return (1.43 * templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype(np.float32)


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
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("set OPENBLAS_NUM_THREADS=1, or numpy is measured with all cores")
    mean, deviation = model_of_faces(arguments.faces, arguments.cache, arguments.yunet)
    rng = np.random.default_rng(7)
    result: dict[str, dict[str, object]] = {}
    for size in (10_000, 50_000, 100_000):
        templates = at_one_length(mean + rng.normal(size=(size, 128)) @ deviation.T)
        # Half the probes are other pictures of somebody enrolled, half are strangers.
        fresh = mean + rng.normal(size=(PROBES, 128)) @ deviation.T
        enrolled = templates[rng.integers(0, size, PROBES)]
        near = mean + 0.8 * (enrolled - mean) + 0.6 * (fresh - mean)
        probes = at_one_length(np.where(np.arange(PROBES)[:, None] % 2 == 0, near, fresh))

        products, plain, _ = milliseconds(full_scan(templates), probes)
        row: dict[str, object] = {"numpy p50 ms": plain}
        galleries = {}
        for form in ("float32", "compact"):
            started = time.perf_counter()
            entries = ((str(number), template) for number, template in enumerate(templates))
            gallery = galleries[form] = Gallery.build("dlib-resnet", entries, compact=form == "compact")
            built = time.perf_counter() - started
            matches, ours, ours_p99 = milliseconds(gallery.match, probes)
            named = [match.subject == str(number) for match, number in zip(matches, products, strict=True)]
            row |= {
                f"{form} p50 ms": ours,
                f"{form} p99 ms": ours_p99,
                f"{form} same nearest": float(np.mean(named)),
                f"{form} MB": gallery.nbytes / 1e6,
                f"{form} build s": built,
            }
        gallery = galleries["float32"]
        flat_index = faiss_flat(templates)
        if flat_index is None:
            row["faiss"] = "not installed"
        else:
            found, flat, _ = milliseconds(flat_index, probes)
            row["faiss p50 ms"] = flat
            row["numpy and faiss agree"] = float(np.mean(np.array(found) == np.array(products)))
            for form in galleries:
                row[f"{form} / faiss"] = row[f"{form} p50 ms"] / flat
        started = time.perf_counter()
        larger = gallery.with_person("new", [probes[0]])
        row["add ms"] = 1000 * (time.perf_counter() - started)
        started = time.perf_counter()
        larger.without_person("5")
        row["remove ms"] = 1000 * (time.perf_counter() - started)
        noise = rng.normal(scale=0.03, size=(3, size, 128)).astype(np.float32)
        several = ((str(n), templates[n] + noise[k, n]) for n in range(size) for k in range(3))
        gallery = Gallery.build("dlib-resnet", several)
        row["three each: p50 ms"] = milliseconds(gallery.match, probes)[1]
        row["three each: MB"] = gallery.nbytes / 1e6
        result[str(size)] = row
        print(f"{size} persons")
        for key, value in row.items():
            print(f"    {key:24s} {value:.3f}" if isinstance(value, float) else f"    {key:24s} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
