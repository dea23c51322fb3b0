"""Why is an artefact not read, and what is to be done about it?"""

import datetime as dt
from pathlib import Path

from consumers.database import writing
from consumers.incidents import ARTIFACT_REJECTED, Found, add_incident
from consumers.mendable import Mendable
from consumers.store import EventStore

_EXPORT = "keep only *.safetensors, *.json and text in the folder, then `reward-drift checkpoint seal {folder}`"
_AGAIN = "fetch it again from where it was sealed; if the change is yours, `reward-drift checkpoint seal {folder}`"
_PLAIN = "nothing turns this off; save the model again without it, then `reward-drift checkpoint seal {folder}`"
_SAVE = "save the model again with `save_pretrained`, then `reward-drift checkpoint seal {folder}`"

NEXT = {
    "no_folder": "name a local folder that holds the checkpoint",
    "not_sealed": "look at what is in it, then `reward-drift checkpoint seal {folder}`",
    "wrong_digest": "`reward-drift checkpoint verify {folder}` prints the digest it has",
    "altered": _AGAIN,
    "missing_file": _AGAIN,
    "unlisted_file": _AGAIN,
    "link": "replace links by files: `cp -rL {folder} COPY`, then `reward-drift checkpoint seal COPY`",
    "not_a_file": _EXPORT,
    "unreadable": "let this user read it, or bring back the disk that it is on",
    "pickle": _EXPORT,
    "code": _EXPORT,
    "unknown_file": _EXPORT,
    "too_large": _SAVE,
    "bad_json": _SAVE,
    "bad_manifest": "`reward-drift checkpoint seal {folder}` writes a new one",
    "bad_lineage": "mend the lineage, then `reward-drift checkpoint seal {folder} --lineage FILE`",
    "remote_code": _PLAIN,
    "attention_kernel": _PLAIN,
    "unknown_key": _PLAIN,
    "bad_value": _SAVE,
    "unknown_model": "score it with a model of a type that is listed",
    "missing_config": _SAVE,
    "missing_tokenizer": "save the tokenizer next to it with `save_pretrained`, then"
    " `reward-drift checkpoint seal {folder}`",
    "missing_weights": _SAVE,
    "bad_weights": _SAVE,
    "bad_tokenizer": _SAVE,
    "not_finite": "it cannot be scored: train or convert it again",
    "unfit": "load it for the task it was trained for, or save all its weights",
    "no_memory": "score it on a machine with more memory",
    "no_base": "name the folder of its base model: `--base FOLDER`",
    "wrong_base": "name the base folder it was sealed with: `--base FOLDER`",
    "bad_adapter": "merge the adapter into its base where it was trained, save that, then"
    " `reward-drift checkpoint seal FOLDER`",
}


class ArtifactRejected(Mendable):
    """A checkpoint is not what it has to be. `code` is one of NEXT and stays; `detail` names the file and the cause."""

    def __init__(self, folder: Path, code: str, detail: str) -> None:
        self.folder, self.code, self.detail = folder, code, detail
        super().__init__(f"{folder}: refused ({code}): {detail}; {NEXT[code].format(folder=folder)}")


def refused(path: Path, code: str, cause: str) -> ArtifactRejected:
    """The refusal of a folder for one of its files."""
    name = path.name if path.name.isprintable() else ascii(path.name)
    return ArtifactRejected(path.parent, code, f"{name}: {cause}")


def record_rejection(store: EventStore, name: str, rejected: ArtifactRejected, now: dt.datetime) -> None:
    """Put it on record as an incident, so that it is an alert until a person closes it. Recorded once while open."""
    found = Found(ARTIFACT_REJECTED, f"{rejected.code}: {rejected.detail}")
    with writing(store.engine) as connection:
        add_incident(connection, f"checkpoint:{name}", found, int(now.timestamp() * 1_000_000))
