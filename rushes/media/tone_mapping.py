"""Tone mapping of HDR pictures (HLG and PQ, ITU-R BT.2100) to SDR pictures in BT.709.

1. Convert the signal to display light: PQ by its EOTF, HLG by the inverse OETF and the OOTF of a 1,000 cd/m2 display.
2. Map the luminance of each pixel by the EETF of BT.2390-10 section 5.4.1, from 1,000 to 100 cd/m2, and scale its
   components by the same factor: light below 28 cd/m2 is unchanged, 100 cd/m2 becomes 69, and graphics white
   (203, BT.2408) becomes 88.
3. Convert the primaries to those of BT.709 (BT.2087), and the light to a signal by the inverse of BT.1886 (gamma 2.4).

The OOTF of HLG is applied to each component, as in zimg, and in FFmpeg with zimg; BT.2100 applies it to luminance.
Greys are equal; saturated colours are more saturated, by the exponent 1.2.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

HLG, PQ = 18, 16  # transfer characteristics, ITU-T H.273 table 3
WHITE_NITS = 100.0  # of an SDR display, BT.1886
PEAK_NITS = 1000.0  # of the display that HLG and most PQ is graded on; light beyond it is clipped
SYSTEM_GAMMA = 1.2  # of HLG at 1,000 cd/m2
TO_BT709 = np.array(  # BT.2087, rows R, G, B
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # of R, G, B in BT.2020
_LEVELS = 1 << 16
STRIP = 64  # lines at a time, so that intermediate arrays fit in the cache: 1080p takes two thirds of the time


def tone_mapped(signal_bgr: np.ndarray, transfer: int, *, wide_gamut: bool) -> np.ndarray:
    """Converts a picture in HLG or PQ to SDR in BT.709.

    Args:
        signal_bgr: uint16 H,W,3, full range.
        transfer: HLG or PQ.
        wide_gamut: True if the primaries are those of BT.2020, False for BT.709.

    Returns:
        uint8 H,W,3, BGR.
    """
    result = np.empty(signal_bgr.shape, np.uint8)
    to_light = _to_light(transfer)
    for top in range(0, len(signal_bgr), STRIP):
        result[top : top + STRIP] = _strip(signal_bgr[top : top + STRIP], to_light, wide_gamut=wide_gamut)
    return result


def _strip(signal_bgr: np.ndarray, to_light: np.ndarray, *, wide_gamut: bool) -> np.ndarray:
    # Convert the signal to display light, float32 H,W,3, with the peak at 1.0.
    light_bgr = cv2.LUT(signal_bgr, to_light)
    # Compute the luminance of each pixel, and look up the gain of the EETF for it, equal for B, G and R.
    luminance_hw = cv2.transform(light_bgr, LUMINANCE[:, ::-1] * (_LEVELS - 1))
    gain_hwc = cv2.cvtColor(cv2.LUT(luminance_hw.astype(np.uint16), _gains()), cv2.COLOR_GRAY2BGR)
    # Convert primaries of BT.2020 to those of BT.709; both axes are reversed for BGR.
    if wide_gamut:
        light_bgr = cv2.transform(light_bgr, TO_BT709[::-1, ::-1])
    # Apply the gain; the conversion to uint16 clips light outside BT.709.
    mapped_bgr = cv2.multiply(light_bgr, gain_hwc, scale=_LEVELS - 1, dtype=cv2.CV_16U)
    # Convert light to an 8-bit signal by the inverse of BT.1886.
    signal_out_bgr: np.ndarray = cv2.LUT(mapped_bgr, _to_signal())
    return signal_out_bgr


@cache
def _to_light(transfer: int) -> np.ndarray:
    """Lookup table from a 16-bit signal to light relative to the peak, float32 1,65536."""
    signal = np.linspace(0, 1, _LEVELS)
    light = hlg_light(signal) if transfer == HLG else pq_nits(signal) / PEAK_NITS
    table: np.ndarray = np.minimum(light, 1).astype(np.float32)[None]
    return table


def hlg_light(signal: np.ndarray) -> np.ndarray:
    """Inverse OETF of HLG (BT.2100 table 5) followed by its OOTF: signal to light, both from 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)  # noqa: PLR2004 - in the table
    light: np.ndarray = scene**SYSTEM_GAMMA
    return light


@cache
def _gains() -> np.ndarray:
    """Lookup table of gains, float32 1,65536, by 16-bit luminance relative to the peak.

    A gain is SDR light relative to white, divided by light relative to the peak.
    """
    nits = np.linspace(0, PEAK_NITS, _LEVELS)
    nits[0] = nits[1]  # black has the gain of the darkest grey: 0 / 0 is undefined
    gains: np.ndarray = (eetf(nits) / WHITE_NITS / (nits / PEAK_NITS)).astype(np.float32)[None]
    return gains


@cache
def _to_signal() -> np.ndarray:
    """Lookup table of the inverse EOTF of BT.1886 with black at 0: 16-bit light to 8-bit signal, uint8 1,65536."""
    signal: np.ndarray = np.round(255 * np.linspace(0, 1, _LEVELS) ** (1 / 2.4)).astype(np.uint8)[None]
    return signal


def eetf(nits: np.ndarray) -> np.ndarray:
    """EETF of BT.2390-10 section 5.4.1 with black at 0: maps cd/m2 from 0..PEAK_NITS to 0..WHITE_NITS."""
    # Convert to PQ signal, relative to the peak of the source.
    top = pq_signal(np.array(PEAK_NITS))
    signal = pq_signal(nits) / top
    largest = pq_signal(np.array(WHITE_NITS)) / top
    knee = 1.5 * largest - 0.5  # signals below the knee are unchanged
    # Compute a Hermite spline from the knee, with slope 1, to the largest value, with slope 0.
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * largest
    return pq_nits(np.where(signal < knee, signal, spline) * top)


_M1, _M2, _C1, _C2, _C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875  # BT.2100 table 4


def pq_nits(signal: np.ndarray) -> np.ndarray:
    """EOTF of PQ: signal from 0 to 1, to cd/m2."""
    power = signal ** (1 / _M2)
    nits: np.ndarray = 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return nits


def pq_signal(nits: np.ndarray) -> np.ndarray:
    """Inverse EOTF of PQ: cd/m2, to a signal from 0 to 1."""
    power = (nits / 10_000) ** _M1
    signal: np.ndarray = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal
