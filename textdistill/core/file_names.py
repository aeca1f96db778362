"""The files that a run leaves in its folder, by what they hold: one table for whoever writes or reads them."""

from __future__ import annotations

# of every run
MANIFEST = "manifest.json"  # what it was made from: the resolved recipe, versions, seed, data
METRICS = "metrics.json"  # every figure
STEPS = "metrics.jsonl"  # the outer loop, a line a step
CHECKPOINT = "checkpoint.safetensors"  # the state to go on from
EARLIER = "checkpoint-before.safetensors"  # the one before it, where that is damaged
LOCK = ".lock"  # held by the process that works here
REFERENCES = "references.bib"
REPORT = "report.html"
CARD = "README.md"
ERROR_LOG = "error.log"
SAMPLES = "samples.jsonl"  # samples that are texts or real rows, with their labels
# of a set held in tensors
TENSORS = "distilled.safetensors"
COST = "cost.json"
DECODED = "decoded.json"  # the nearest words
PICTURE = "picture.json"  # the map of real and distilled samples
IMAGES, GRID = "images.json", "grid.png"
# of a readable set
LOOK = "headline.json"  # nearest rows, map, confusion, how the texts read
MODEL_STEPS = "language-model.jsonl"
POOL = "pool-{name}.jsonl"
STAGE = "stage-{name}.json"
# of a search for the distillation size
LEDGER = "size.json"

# What a trained generator writes, and what a language model does that is only shown texts.
GENERATED = ("vanilla", "matched", "grown")
POOLS = (*GENERATED, "prompted")
# Every name that a run may write: nothing else in a folder is ever removed.
OWN = frozenset(
    {
        *(MANIFEST, METRICS, STEPS, f"{STEPS}.tmp", CHECKPOINT, EARLIER, REFERENCES, REPORT, CARD, ERROR_LOG, SAMPLES),
        *(TENSORS, COST, DECODED, PICTURE, IMAGES, GRID, LOOK, MODEL_STEPS, LEDGER),
        *(POOL.format(name=name) for name in POOLS),
        *(STAGE.format(name=name) for name in ("matching", *(f"pool-{name}" for name in POOLS))),
    }
)
# Every run writes one of these before anything else.
SIGNS = (STEPS, MANIFEST, CHECKPOINT, EARLIER)
