"""The candidate: the compressed graphs and the files that travel along, under one manifest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from compression.export import export
from compression.quantise import quantise_dynamic, quantise_static
from rushes.bundle import BundledFile, BundleError, Manifest, read_bundle, sha256_file, write_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from curation.sampleset import SampleSet
    from models.family import Family, Graph, Read

PARITY = "parity.npz"


def reference(
    family: Family,
    network: torch.nn.Module,
    samples: SampleSet,
    params: Any,  # noqa: ANN401  # each family has its own
    folder: Path,
    read: Read,
) -> list[Graph]:
    """Exports the float graphs as a bundle of their own, with what the trained network itself answers (parity.npz).

    The assets lie beside them as they do in a candidate, so that both are scored in one and the same way.

    Raises:
        BundleError: An asset has another hash than the family says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graphs = family.graphs(network, samples)
    for graph in graphs:
        export(graph, folder)
    seal(family, samples.info, graphs, read, folder)
    np.savez(
        folder / PARITY,
        allow_pickle=False,
        **_answers(graphs[0], family.calibration(samples, params.calibration_samples, 1)),
    )
    return graphs


def compress(family: Family, samples: SampleSet, params: Any, source: Path, folder: Path) -> None:  # noqa: ANN401  # each family has its own
    """Quantises the graphs of a reference into a candidate; `seal` completes it."""
    folder.mkdir(parents=True, exist_ok=True)
    feeds = family.calibration(samples, params.calibration_samples, params.seed)
    for name, path in read_bundle(source).graphs.items():
        if family.quantisation == "static":
            quantise_static(path, folder / name, feeds, family.kept_float)
        else:
            quantise_dynamic(path, folder / name)


def seal(family: Family, info: Mapping[str, Any], graphs: list[Graph], read: Read, folder: Path) -> str:
    """Adds the assets and writes the manifest; returns the digest.

    Args:
        family: Whose.
        info: Of the set.
        graphs: Those that lie in the folder.
        read: Brings the bytes of an asset.
        folder: The reference or the candidate.

    Raises:
        BundleError: An asset has another hash than the family says.
    """
    files = {graph.name: (graph.role, "") for graph in graphs}
    for asset in family.assets:
        content = read(asset)
        found = hashlib.sha256(content).hexdigest()
        if found != asset.sha256:
            message = f"{asset.package}: {asset.member} has the sha256 {found[:12]}, not {asset.sha256[:12]}"
            raise BundleError(message)
        (folder / asset.name).write_bytes(content)
        files[asset.name] = (asset.role, asset.licence)
    return _seal(family, info, folder, files)


def _seal(family: Family, info: Mapping[str, Any], folder: Path, files: dict[str, tuple[str, str]]) -> str:
    bundled = {
        name: BundledFile(
            role=role,
            sha256=sha256_file(folder / name),
            size_bytes=(folder / name).stat().st_size,
            licence=licence,
        )
        for name, (role, licence) in files.items()
    }
    return write_manifest(folder, Manifest(family=family.name, files=bundled, **family.settings(info)))


def _answers(graph: Graph, feeds: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Some inputs, and the outputs of the module itself, in float32 on the CPU."""
    inputs = {name: np.concatenate([feed[name] for feed in feeds]) for name in graph.input_names}
    with torch.no_grad():
        outputs = graph.module.eval()(*(torch.from_numpy(inputs[name]) for name in graph.input_names))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    answers = {name: output.numpy() for name, output in zip(graph.output_names, outputs, strict=True)}
    return {f"in:{name}": value for name, value in inputs.items()} | {f"out:{name}": v for name, v in answers.items()}
