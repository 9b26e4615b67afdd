"""The network: a layer over the landmarks, and a gated recurrent unit (Cho et al. 2014) that knows the face by then.

The deviation of a landmark between faces is as large as that within a take. The state takes both apart as it sees more
of a face.

Legend: N takes, T frames, F features, H width of the recurrent layer, S of the state, U units, A angles, I inputs.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from models.tracking.geometry import ANGLE_SCALE_DEG, ANGLES, upright
from rushes.tracking.face import UNITS

if TYPE_CHECKING:
    from models.tracking.components import Components
    from models.tracking.params import TrainParams


class TrackingNetwork(nn.Module):
    """Inputs N,T,I (see models/tracking/encode.py) and a state N,S -> units N,T,U, corrections N,T,A, and the state.

    Corrections are in 30 degrees. The state is that of the recurrent layer H, the mean of the moving features F since
    the beginning, and the number of frames: S = H + F + 1. It begins with zeros.
    """

    def __init__(self, inputs: int, params: TrainParams) -> None:
        super().__init__()
        self.width, self.features, self.dropout = params.width, params.features, params.dropout
        # What the face is like, and what differs from its mean so far. The second alone is the same for all faces: it
        # raised the mean correlation from 0.605 to 0.627 (240 performers, 32 frames of each).
        self.read = nn.Linear(inputs, 2 * params.features)
        self.norm = nn.LayerNorm(params.features)
        self.recurrent = nn.GRU(params.features, params.width, batch_first=True)
        self.units = nn.Linear(params.features + params.width, len(UNITS))
        self.corrections = nn.Linear(params.features + params.width, ANGLES)
        nn.init.zeros_(self.corrections.weight)
        nn.init.zeros_(self.corrections.bias)

    @property
    def state_width(self) -> int:
        """Width S of the state."""
        return self.width + self.features + 1

    def forward(
        self, inputs_nti: torch.Tensor, state_ns: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class; the last result is the state N,S after the last frame."""
        state_nh, mean_nf, count_n1 = self._parts(state_ns)
        still_ntf, moving_ntf = self.read(inputs_nti).chunk(2, -1)
        # The mean of all frames so far, the present one included.
        counts_nt1 = (
            count_n1[:, None] + torch.arange(1, inputs_nti.shape[1] + 1, device=inputs_nti.device)[None, :, None]
        )
        means_ntf = ((count_n1 * mean_nf)[:, None] + moving_ntf.cumsum(1)) / counts_nt1
        features_ntf = self._features(still_ntf + moving_ntf - means_ntf)
        hidden_nth, last_1nh = self.recurrent(features_ntf, state_nh[None].contiguous())
        units_ntu, corrections_nta = self._heads(hidden_nth, features_ntf)
        return units_ntu, corrections_nta, torch.cat([last_1nh[0], means_ntf[:, -1], counts_nt1[:, -1]], 1)

    def _parts(self, state_ns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """State of the recurrent layer N,H, mean N,F and count N,1."""
        middle = self.width + self.features
        return state_ns[:, : self.width], state_ns[:, self.width : middle], state_ns[:, middle:]

    def _features(self, read: torch.Tensor) -> torch.Tensor:
        return self._dropped(functional.gelu(self.norm(read)))

    def _heads(self, hidden_nth: torch.Tensor, features_ntf: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both_ntc = self._dropped(torch.cat([hidden_nth, features_ntf], -1))
        return self.units(both_ntc), self.corrections(both_ntc)

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, self.dropout, self.training)

    def step(self, inputs_ni: torch.Tensor, state_ns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same for one frame, by matrix products alone: ONNX Runtime quantises these, and not its own GRU."""
        state_nh, mean_nf, count_n1 = self._parts(state_ns)
        read_n2f = self.read(inputs_ni)
        still_nf, moving_nf = read_n2f[:, : self.features], read_n2f[:, self.features :]
        count_n1 = count_n1 + 1
        mean_nf = mean_nf + (moving_nf - mean_nf) / count_n1
        features_nf = self._features(still_nf + moving_nf - mean_nf)
        given_weight, kept_weight, given_bias, kept_bias = self.recurrent.all_weights[0]
        given_n3h = functional.linear(features_nf, given_weight, given_bias)
        kept_n3h = functional.linear(state_nh, kept_weight, kept_bias)
        width = self.width
        # Reset and update gates, then the candidate state.
        reset_nh = torch.sigmoid(given_n3h[:, :width] + kept_n3h[:, :width])
        update_nh = torch.sigmoid(given_n3h[:, width : 2 * width] + kept_n3h[:, width : 2 * width])
        candidate_nh = torch.tanh(given_n3h[:, 2 * width :] + reset_nh * kept_n3h[:, 2 * width :])
        hidden_nh = (1 - update_nh) * candidate_nh + update_nh * state_nh
        units_nu, corrections_na = self._heads(hidden_nh, features_nf)
        return units_nu, corrections_na, torch.cat([hidden_nh, mean_nf, count_n1], 1)


class ExportWrapper(nn.Module):
    """Export wrapper: one frame as the tracker has it, with normalisation and limits inside; called for every frame."""

    def __init__(self, network: TrackingNetwork, components: Components) -> None:
        super().__init__()
        self.mean_p: torch.Tensor
        self.std_p: torch.Tensor
        self.register_buffer("mean_p", torch.from_numpy(components.mean_p))
        self.register_buffer("std_p", torch.from_numpy(components.std_p))
        self.network = copy.deepcopy(network)
        # The components and the first layer are one matrix: F,K times K,P.
        weight_fk = network.read.weight.detach()[:, :-ANGLES]
        weight_fp = weight_fk @ torch.from_numpy(components.vectors_kp)
        merged = nn.Linear(weight_fp.shape[1] + ANGLES, len(weight_fp))
        merged.weight.data = torch.cat([weight_fp, network.read.weight.detach()[:, -ANGLES:]], 1)
        merged.bias.data = network.read.bias.detach().clone()
        self.network.read = merged

    def forward(
        self, landmarks_np3: torch.Tensor, angles_na: torch.Tensor, state_ns: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Landmarks N,478,3 in pixels, fitted angles N,7 in degrees, a state N,S -> units N,52, angles N,7, state."""
        standard_np = (upright(landmarks_np3).flatten(1) - self.mean_p) / self.std_p
        inputs_ni = torch.cat([standard_np, angles_na / ANGLE_SCALE_DEG], 1)
        units_nu, corrections_na, state_ns = self.network.step(inputs_ni, state_ns)
        return units_nu.clamp(0, 1), angles_na + ANGLE_SCALE_DEG * corrections_na, state_ns
