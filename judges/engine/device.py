"""On what, and in which precision, does a model run? Chosen once, on record in every score."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class Place:
    """A device and the type of its numbers."""

    device: torch.device
    dtype: torch.dtype


def choose_place(device: str = "auto", dtype: str = "auto", threads: int | None = None) -> Place:
    """A GPU if there is one, with 16 bits; a CPU with 16 bits only where it computes with them.

    device: auto, cpu, cuda or cuda:N. dtype: auto, fp32, bf16 or fp16. threads: of a CPU; None for torch's own number,
    which is that of the cores or OMP_NUM_THREADS.
    Numbers of 32 bits are computed with 32 bits: never with TF32. Raises ValueError for what is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device}: torch sees no GPU here; leave --device out to take the CPU")
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device}: choose auto, cpu or cuda")
    if threads is not None:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    kind = dtype if dtype != "auto" else "bf16" if chosen.type == "cuda" or _cpu_has_bf16() else "fp32"
    if kind not in DTYPES:
        raise ValueError(f"dtype {dtype}: choose auto, {', '.join(DTYPES)}")
    return Place(chosen, DTYPES[kind])


def peak_flops(place: Place) -> float:
    """Operations a second of a large matrix product, here and now: what a run's own speed is compared with."""
    side = 8192 if place.device.type == "cuda" else 1024
    left = torch.ones(side, side, device=place.device, dtype=place.dtype)
    _timed(lambda: left @ left, place.device)
    repeats = max(1, round(PROBE_SECONDS / _timed(lambda: left @ left, place.device)))
    return 2.0 * side**3 * repeats / _timed(lambda: [left @ left for _ in range(repeats)], place.device)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _cpu_has_bf16() -> bool:
    """Whether matrix products in 16 bits are a matter of this CPU and not of a simulation."""
    has = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(ask()) for ask in has if ask is not None)
