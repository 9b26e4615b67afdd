"""The product's recurrent network compared with nanoGPT's CPU config, and the compressed writer with PyTorch.

    python -m benchmarks.script --data TEXT.txt [--quick] [--seeds 3]

- loss: nats per character on the last tenth of the text after the same CPU-seconds on one thread, those of the peer's
  2,000 steps; the product's as in `rushes write`, with state and cache carried through the text, and in independent
  windows of 64 characters, each over the peer's in such windows. The network's own loss, without the cache, is in a
  comment.
- characters/s: `rushes write` from the compressed bundle over the PyTorch module in float32, one thread each.
- bits lost: the loss by compression, bits per character on the same text.

Both train in turns, batch by batch, in one process.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from torch.nn import functional

from benchmarks.support.command import new_parser, quiet
from benchmarks.support.figures import Figure, interleave, report
from benchmarks.support.peers.nanogpt import STEPS, Peer
from compression.methods.export import export
from compression.methods.quantise import quantise_dynamic
from models.script.data import Contiguous, batches, lanes
from models.script.definition import CACHE, graphs, module
from models.script.encode import ALWAYS
from models.script.params import TrainParams
from models.script.score import BatchedGraph, ScoredDocument, remembered
from rushes.script.length import Length
from rushes.script.markup import ALL
from rushes.script.memorization import MemorizationFilter, build
from rushes.script.ngram_cache import RunCache
from rushes.script.request import Request
from rushes.script.writer import GraphNetwork, ScriptWriter
from training.fit import averaging, precision_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from models.script.module import ScriptModule
    from models.script.network import ScriptNetwork

TRAIN, WINDOW = 0.9, 64
CHARACTERS = 400  # written to measure the speed


class InTurns(Callback):
    """After each batch the peer catches up to the same CPU-seconds; once it is done, the training ends."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.spent, self._since = peer, 0.0, 0.0

    def done(self, step: int = 0) -> float:
        """The finished share of the training, whatever the step."""
        del step
        return self.peer.done

    def on_train_start(self, *_words: object) -> None:
        """Starts the clock: imports and the first weights do not count."""
        self._since = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, *_words: object) -> None:
        """Runs the peer's turn."""
        self.spent += time.process_time() - self._since
        while self.peer.spent < self.spent and self.peer.done < 1.0:
            self.peer.go_on()
        trainer.should_stop = self.peer.done >= 1.0
        self._since = time.process_time()


def train(tokens: np.ndarray, vocabulary: list[str], seed: int, steps: int) -> tuple[ScriptModule, Peer]:
    """Trains both, with as many CPU-seconds each."""
    params = TrainParams(seed=seed)
    learner, peer = module({"vocabulary": vocabulary}, params), Peer(tokens, len(vocabulary), seed, steps)
    turns = InTurns(peer)
    learner.share_done = turns.done  # type: ignore[method-assign]  # by the peer's steps, not by epochs
    epoch = lambda: learner.current_epoch  # noqa: E731  # asked at the start of each pass
    text = Contiguous((tokens,), params.batch_size, params.sequence_length, seed, epoch=epoch)
    trainer = Trainer(
        accelerator="cpu", max_epochs=100_000, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, precision=precision_for(params.precision, "cpu"),
        callbacks=[turns, *averaging(params)],
    )  # fmt: skip
    trainer.fit(learner, text)
    read = trainer.global_step * params.batch_size * params.sequence_length
    progress = f"# seed {seed}: ours {read:,} characters in {turns.spent:.0f} CPU-s, nanoGPT {peer.step:,} steps in"
    print(f"{progress} {peer.spent:.0f}", file=sys.stderr, flush=True)
    return learner.eval(), peer


@torch.no_grad()
def carried(network: ScriptNetwork, text: np.ndarray) -> tuple[float, float]:
    """Nats per character, with state carried from the beginning of the text to its end: with the cache, and without."""
    ids_1l = lanes(text.astype(np.int64), 1)
    state, parts = network.start(1), []
    for ids_1t, targets_1t in batches(ids_1l, 2048):
        logits_1tv, state = network(torch.from_numpy(ids_1t), state)
        parts.append(functional.cross_entropy(logits_1tv[0], torch.from_numpy(targets_1t[0]), reduction="none"))
    bits_t = torch.cat(parts).double().numpy() / math.log(2.0)
    return _both(bits_t[None], text[None], network)


@torch.no_grad()
def windows(network: ScriptNetwork, text: np.ndarray) -> tuple[float, float]:
    """The same in windows of 64, network and cache from nothing in each."""
    count = (len(text) - 1) // WINDOW
    ids = torch.from_numpy(text.astype(np.int64))
    inputs_nt = ids[: count * WINDOW].view(count, WINDOW)
    targets_nt = ids[1 : count * WINDOW + 1].view(count, WINDOW)
    parts = []
    for some_nt, then_nt in zip(torch.split(inputs_nt, 256), torch.split(targets_nt, 256), strict=True):
        logits_ntv, _ = network(some_nt, network.start(len(some_nt)))
        parts.append(functional.cross_entropy(logits_ntv.transpose(1, 2), then_nt, reduction="none"))
    bits_nt = torch.cat(parts).double().numpy() / math.log(2.0)
    read_nx = torch.cat([inputs_nt, targets_nt[:, -1:]], 1).numpy()
    return _both(bits_nt, read_nx, network)


def _both(bits_nt: np.ndarray, ids_nx: np.ndarray, network: ScriptNetwork) -> tuple[float, float]:
    """Nats per character of texts N,T+1, with a cache for each, and without."""
    mixed = []
    for bits_t, ids_x in zip(bits_nt, ids_nx, strict=True):
        cache = RunCache(len(network.bias), CACHE)
        cache.push(int(ids_x[0]))
        mixed += remembered(cache, ids_x[1:], bits_t)
    return float(np.mean(mixed)) * math.log(2.0), float(bits_nt.mean()) * math.log(2.0)


def loss_figures(text: str, seeds: int, steps: int) -> tuple[list[Figure], ScriptModule, list[str]]:
    """Both losses over the peer's."""
    vocabulary = ["", *sorted(set(text) | set(ALL) | set(ALWAYS))]
    index = {sign: number for number, sign in enumerate(vocabulary)}
    tokens = np.array([index[sign] for sign in text], np.uint8)
    cut = int(TRAIN * len(tokens))
    held, ours, peers = tokens[cut:], [], []
    for seed in range(seeds):
        learner, peer = train(tokens[:cut], vocabulary, seed, steps)
        ours.append((carried(learner.network, held), windows(learner.network, held)))
        peers.append(peer.loss(held))
        columns = zip(("carried", "windows"), ours[-1], strict=True)
        scores = ", ".join(f"{name} {mixed:.4f} (without the cache {alone:.4f})" for name, (mixed, alone) in columns)
        print(f"# seed {seed}: {scores}, nanoGPT {peers[-1]:.4f}", file=sys.stderr, flush=True)
    goals = (("carried", 0.74), ("windows of 64", 0.80))
    figures = [
        Figure(f"loss, {name}, ours/nanoGPT in windows", [seed[i][0] for seed in ours], peers, goal, at_most=True)
        for i, (name, goal) in enumerate(goals)
    ]
    return figures, learner, vocabulary


def speed_figures(learner: ScriptModule, vocabulary: list[str], text: str, rounds: int, scratch: Path) -> list[Figure]:
    """The compressed step with grammar and repetition constraint, as in `rushes write`, over the module in float32."""
    graph = graphs(learner.network.float().eval(), None)[0]  # type: ignore[arg-type]  # the set is not used
    fp32 = export(graph, scratch)
    int8 = quantise_dynamic(fp32, scratch / "int8.onnx")
    writer = _writer(int8, graph.example, vocabulary)

    def ours() -> float:
        start, written = time.perf_counter(), writer()
        return written / (time.perf_counter() - start)

    def peer() -> float:
        window, state = (part[:1] for part in graph.example)
        random, start = np.random.default_rng(1), time.perf_counter()
        with torch.inference_mode():
            for _ in range(CHARACTERS):
                logits, state = graph.module(window, state)
                shares = torch.softmax(logits[0].double(), 0).numpy()
                token = random.choice(len(shares), p=shares / shares.sum())
                window = torch.cat([window[:, 1:], torch.tensor([[token]])], 1)
        return CHARACTERS / (time.perf_counter() - start)

    speeds = interleave(ours, peer, rounds, "characters/s")
    figures = [Figure("characters/s, rushes write int8/PyTorch fp32", *speeds, 3.0, at_most=False)]
    small, large = (path.stat().st_size / 1e6 for path in (int8, fp32))
    lost = [_bits(path, graph.example, vocabulary, text[int(TRAIN * len(text)) :]) for path in (int8, fp32)]
    print(f"# bits a character: int8 {lost[0]:.4f}, fp32 {lost[1]:.4f}, lost {lost[0] - lost[1]:.4f}", file=sys.stderr)
    return [
        *figures,
        Figure("MB of the graph, int8/fp32", [small], [large], 0.3, at_most=True),
        Figure("bits lost over the 0.01 allowed", [max(0.0, lost[0] - lost[1])], [0.01], 1.0, at_most=True),
    ]


def _given(example: Sequence[torch.Tensor], vocabulary: list[str]) -> dict[str, Any]:
    cache = {"weights": CACHE.weights, "discount": CACHE.discount}
    return {"window": example[0].shape[1], "state": example[1].shape[1], "vocabulary": vocabulary, "cache": cache}


def _bits(path: Path, example: Sequence[torch.Tensor], vocabulary: list[str], text: str) -> float:
    rows = BatchedGraph(path, _given(example, vocabulary)).carried([ScoredDocument("held out", "", "", text)])
    return float(rows["bits"].sum() / rows["characters"].sum())


def _writer(path: Path, example: Sequence[torch.Tensor], vocabulary: list[str]) -> Callable[[], int]:
    """Writes a scene and returns its number of characters."""
    given = _given(example, vocabulary)
    network = GraphNetwork(path, window=given["window"], state=given["state"], vocabulary=len(vocabulary))
    writer = ScriptWriter(network, vocabulary, MemorizationFilter(build("")), CACHE)

    def write() -> int:
        writing = writer.write(Request(heading="A STREET", length=Length(CHARACTERS / 5, "words")))
        for _ in writing:
            pass
        return writing.signs

    return write


def main(words: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = new_parser("script", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="a text: the first 90 % are learned from")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    choices = parser.parse_args(words)
    torch.set_num_threads(1)
    quiet()
    text = choices.data.read_text(encoding="utf-8")
    seeds, steps, rounds = (1, 20, 2) if choices.quick else (choices.seeds, STEPS, 7)
    figures, learner, vocabulary = loss_figures(text, seeds, steps)
    with tempfile.TemporaryDirectory() as scratch:
        figures += speed_figures(learner, vocabulary, text, rounds, Path(scratch))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
