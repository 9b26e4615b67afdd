"""The network: an LSTM over characters that is also told which runs of characters came last.

Tied weights and dropout as in AWD-LSTM (Merity et al. 2017). Short runs of last characters have numbers of their own,
found by hashing (as in fastText, Bojanowski et al. 2017): a lookup costs nothing beside the LSTM, which then need not
learn spelling. They also vote for what comes next, as n-gram models do.

Legend: N places in the text, T steps, K characters of a window, V vocabulary, H width, S numbers of the whole state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.script.params import TrainParams

NOTHING = 0  # the id of what is no character: before a text begins, or not in the vocabulary
FACTOR, SPREAD, PRIME = 1_000_003, 40_503, 2_147_483_647

State = tuple[torch.Tensor, torch.Tensor]  # hidden and cell, layers,N,H each


def runs(ids_nx: torch.Tensor, longest: int, shortest_window: int, buckets: int) -> list[torch.Tensor]:
    """The table rows of the runs that end at each step, of 2, 3 ... `longest` characters.

    Args:
        ids_nx: Ids N,(K-1)+T: a window of K characters for each of T steps.
        longest: Characters of the longest run.
        shortest_window: K.
        buckets: Rows of a table.

    Returns:
        One tensor N,T a length.
    """
    first = shortest_window - 1
    steps = ids_nx.shape[1] - first
    key_nt, rows = ids_nx[:, first:], []
    for length in range(2, longest + 1):
        # Below 2^31 before each product, so none overflows 64 bits, in PyTorch and in ONNX Runtime alike.
        key_nt = (key_nt * FACTOR + ids_nx[:, first - length + 1 : first - length + 1 + steps] + 1) % PRIME
        rows.append((key_nt * SPREAD) % PRIME % buckets)
    return rows


class ScriptNetwork(nn.Module):
    """Characters and a state -> what comes next, and the state after them.

    Args:
        vocabulary: V, with 0 for nothing.
        params: Widths and tables.
    """

    def __init__(self, vocabulary: int, params: TrainParams) -> None:
        super().__init__()
        self.grams, self.grams_out, self.buckets = params.grams, params.grams_out, params.buckets
        self.window = max(params.grams, params.grams_out)
        self.layers, self.width = params.layers, params.width
        self.dropout = params.dropout
        self.characters = nn.Embedding(vocabulary, params.embedding)
        self.runs_in = nn.ModuleList(nn.Embedding(params.buckets, params.embedding) for _ in range(params.grams - 1))
        for table in (self.characters, *self.runs_in):
            nn.init.normal_(table.weight, std=0.5 / math.sqrt(params.grams))
        self.recurrent = nn.LSTM(params.embedding, params.width, params.layers, batch_first=True)
        self.narrow = nn.Linear(params.width, params.embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.runs_out = nn.ModuleList(nn.Embedding(params.buckets, vocabulary) for _ in range(params.grams_out - 1))
        for table in self.runs_out:
            nn.init.zeros_(table.weight)  # type: ignore[arg-type]  # an embedding has one

    @property
    def state_size(self) -> int:
        """S: hidden and cell of all layers."""
        return 2 * self.layers * self.width

    def start(self, count: int, device: torch.device | str = "cpu") -> State:
        """The state before anything was read."""
        zeros = torch.zeros(self.layers, count, self.width, device=device)
        return zeros, zeros.clone()

    def forward(self, ids_nx: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Ids N,(K-1)+T and a state -> logits N,T,V, for each step what comes after it, and the state at the end."""
        rows = runs(ids_nx, self.window, self.window, self.buckets)
        x_nte = self.characters(ids_nx[:, self.window - 1 :])
        for table, row_nt in zip(self.runs_in, rows, strict=False):
            x_nte = x_nte + table(row_nt)
        h_nth, state = self.recurrent(self._dropped(x_nte), state)
        y_nte = self.narrow(self._dropped(h_nth))
        logits_ntv = functional.linear(y_nte, self.characters.weight, self.bias)
        for table, row_nt in zip(self.runs_out, rows, strict=False):
            logits_ntv = logits_ntv + table(row_nt)
        return logits_ntv, state

    def _dropped(self, x_ntc: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.dropout:
            return x_ntc
        return x_ntc * functional.dropout(torch.ones_like(x_ntc[:, :1]), self.dropout)


class Deployed(nn.Module):
    """One step of the network, its state one row of numbers: what the runtime calls for every character."""

    def __init__(self, network: ScriptNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, window_nk: torch.Tensor, state_ns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last K ids N,K, oldest first, and the state N,S -> logits N,V, state N,S."""
        layers, width = self.network.layers, self.network.width
        both = state_ns.reshape(-1, 2 * layers, width).transpose(0, 1).contiguous()
        logits_ntv, (hidden, cell) = self.network(window_nk, (both[:layers], both[layers:]))
        after_ns = torch.cat([hidden, cell]).transpose(0, 1).reshape(-1, 2 * layers * width)
        return logits_ntv[:, 0], after_ns


def build(info: Mapping[str, Any], params: TrainParams) -> ScriptNetwork:
    """A network for a set."""
    return ScriptNetwork(len(info["vocabulary"]), params)
