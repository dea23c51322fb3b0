"""Do a config and the weights beside it describe one model, and has this machine room for it?"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from judges.artefacts.contents import weight_files
from judges.artefacts.rejection import ArtifactRejected
from judges.artefacts.tensor_header import FLOATING, Tensor, read_header
from judges.checkpoints import Checkpoint

Task = Literal["causal", "sequence_classification"]
TASKS = {"causal": AutoModelForCausalLM, "sequence_classification": AutoModelForSequenceClassification}
SLACK = 1 << 24  # parameters; which ones are missing is told better once they are known by name
MAX_BUFFERS = 1 << 24  # elements of a model that come from no weight, such as position numbers
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # bytes


def model_class(checkpoint: Checkpoint, config: Any, task: Task, brought: int) -> Any:
    """The class of the model. It is first built without memory and compared with what the files hold, so that neither
    can ask for more than the other. brought: parameters that an adapter will fill in."""
    auto: Any = TASKS[task]
    with refusing(checkpoint, "unfit", f"config.json for task {task}"), torch.device("meta"):
        bare = auto.from_config(config, trust_remote_code=False)
    files = weight_files(checkpoint.folder, checkpoint.manifest)
    tensors = [one for name in files for one in read_header(checkpoint.folder / name)]
    asked = sum(one.numel() for one in bare.parameters())
    given = brought + sum(math.prod(one.shape) for one in tensors)
    if asked > 2 * given + SLACK or given > 2 * asked + SLACK:
        cause = f"config.json asks for {asked:,} parameters, its weights are {given:,}"
        raise ArtifactRejected(checkpoint.folder, "unfit", cause)
    _check_types(checkpoint, bare, tensors)
    if (size := sum(one.end - one.start for one in tensors)) > MEMORY:
        cause = f"its weights take {size:,} bytes, the memory of this machine is {MEMORY:,}"
        raise ArtifactRejected(checkpoint.folder, "no_memory", cause)
    if sum(one.numel() for one in bare.buffers()) > MAX_BUFFERS:
        raise ArtifactRejected(checkpoint.folder, "bad_value", "config.json: positions beyond any known model")
    return type(bare)


def _check_types(checkpoint: Checkpoint, bare: Any, tensors: Sequence[Tensor]) -> None:
    """Refuse weights in whole numbers: they are quantised, and without their scales they would be other weights."""
    names = {name for name, _ in bare.named_parameters()}
    names |= {name.partition(".")[2] for name in names}  # a file may leave out the name of the model's body
    for one in tensors:
        if one.dtype not in FLOATING and one.name in names:
            raise ArtifactRejected(checkpoint.folder, "bad_weights", f"weight {one.name!r} is of type {one.dtype}")


@contextmanager
def refusing(checkpoint: Checkpoint, code: str, what: str) -> Iterator[None]:
    """Whatever a library says of somebody else's file is a refusal of the file, and what it warns of is told once."""
    logging: Any = transformers.logging
    level, shows_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except BaseException as fault:
        of_rust = type(fault).__name__ == "PanicException"
        if isinstance(fault, MemoryError) or not (of_rust or isinstance(fault, Exception)):
            raise
        told = " ".join(str(fault).split())[:300]
        raise ArtifactRejected(checkpoint.folder, code, f"{what}: {type(fault).__name__}: {told}") from fault
    finally:
        logging.set_verbosity(level)
        if shows_bars:
            logging.enable_progress_bar()
