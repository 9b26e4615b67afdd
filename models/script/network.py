"""The network: an LSTM over characters with tied weights and locked dropout, as in AWD-LSTM (Merity et al. 2017).

Legend: N places in the text, T steps, V vocabulary, H width, S numbers of the whole state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.script.params import TrainParams

NOTHING = 0  # id for "no character": before the beginning of a text, or not in the vocabulary

State = tuple[torch.Tensor, torch.Tensor]  # hidden and cell, layers,N,H each


class ScriptNetwork(nn.Module):
    """Characters and a state -> logits of the next character, and the next state."""

    def __init__(self, vocabulary: int, params: TrainParams) -> None:
        super().__init__()
        self.layers, self.width = params.layers, params.width
        self.dropout = params.dropout
        # The first place of this process in the text, and the places of all: masks are drawn for all places, so that
        # they do not depend on the number of processes.
        self.share: tuple[int, int] | None = None
        self.characters = nn.Embedding(vocabulary, params.embedding)
        nn.init.normal_(self.characters.weight, std=0.5)
        self.recurrent = nn.LSTM(params.embedding, params.width, params.layers, batch_first=True)
        self.narrow = nn.Linear(params.width, params.embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self._remember()

    def _remember(self) -> None:
        """Opens the forget gates, so that gradients reach far from the first step on (Jozefowicz et al. 2015)."""
        with torch.no_grad():
            for layer in range(self.layers):
                getattr(self.recurrent, f"bias_ih_l{layer}")[self.width : 2 * self.width] += 1.0

    @property
    def state_size(self) -> int:
        """S: hidden and cell of all layers."""
        return 2 * self.layers * self.width

    def start(self, count: int, device: torch.device | str = "cpu") -> State:
        """The state at the beginning of a text."""
        zeros = torch.zeros(self.layers, count, self.width, device=device)
        return zeros, zeros.clone()

    def forward(self, ids_nt: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Ids N,T and a state -> logits N,T,V of the next character at each step, and the final state."""
        # Embed, run the LSTM, project to the embedding width, and reuse the embedding as output weights.
        h_nth, state = self.recurrent(self._dropped(self.characters(ids_nt)), state)
        y_nte = self.narrow(self._dropped(h_nth))
        return functional.linear(y_nte, self.characters.weight, self.bias), state

    def _dropped(self, x_ntc: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.dropout:
            return x_ntc
        # One mask for all steps (locked dropout).
        count, _, channels = x_ntc.shape
        first, places = self.share or (0, count)
        mask_n1c = functional.dropout(x_ntc.new_ones(places, 1, channels), self.dropout)
        return x_ntc * mask_n1c[first : first + count]


class ExportWrapper(nn.Module):
    """Export wrapper: one step of the network with its state as one row; the runtime calls it for every character."""

    def __init__(self, network: ScriptNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, window_n1: torch.Tensor, state_ns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last id N,1 and the state N,S -> logits N,V, state N,S."""
        layers, width = self.network.layers, self.network.width
        # The row holds hidden states of all layers, then cell states.
        both = state_ns.reshape(-1, 2 * layers, width).transpose(0, 1).contiguous()
        logits_ntv, (hidden, cell) = self.network(window_n1, (both[:layers], both[layers:]))
        after_ns = torch.cat([hidden, cell]).transpose(0, 1).reshape(-1, 2 * layers * width)
        return logits_ntv[:, 0], after_ns


def build(info: Mapping[str, Any], params: TrainParams) -> ScriptNetwork:
    """A network for a set."""
    return ScriptNetwork(len(info["vocabulary"]), params)
