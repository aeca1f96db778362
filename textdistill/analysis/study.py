"""What every analysis begins with: a finished run's set, recipe and data, and the bench its networks are scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from textdistill.core.device import pick_device
from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.file_names import SAMPLES
from textdistill.core.inner import InnerOptimizer
from textdistill.core.learner import Learner
from textdistill.core.schedule import DistilledSet
from textdistill.evaluation.protocol import Bench
from textdistill.evaluation.settings import Train
from textdistill.learners import LEARNERS, make_learner
from textdistill.recipe.read import Recipe
from textdistill.representations.task import PlainTexts, Task
from textdistill.runs.artifact import Artifact, learner_of, load
from textdistill.runs.pipeline import make_bench, prepare_task
from textdistill.runs.progress import Reporter
from textdistill.runs.readable_set import read_samples

FOLDER = "analysis"
# Networks that a set is tried on unless others are named, and the settings by which they are kept small.
USUAL = {"words": ("text_conv", "bi_lstm", "bi_rnn", "mlp"), "pixels": ("lenet", "convnet", "dense")}
SIZES: dict[str, dict[str, Any]] = {"convnet": {"width": 32}}


@dataclass
class Study:
    """A run to be analysed. `nets` networks score each entry; all that is random follows from `seed`.

    `overrides` were laid over the stored recipe (`recipe`), by which sets are distilled anew.
    """

    folder: Path
    artifact: Artifact
    recipe: Recipe
    nets: int
    seed: int
    overrides: tuple[str, ...]
    where: torch.device
    reporter: Reporter

    @classmethod
    def of(
        cls,
        folder: str | Path,
        *,
        overrides: Sequence[str] = (),
        data_dir: str | Path | None = None,
        nets: int = 5,
        seed: int | None = None,
        device: str | None = None,
        reporter: Reporter | None = None,
    ) -> Study:
        """The run in `folder`; the run's own seed unless another is given."""
        if nets < 1:
            raise UserError(f"--nets: {nets}; allowed: 1 or more")
        artifact = load(folder)
        recipe = artifact.recipe(tuple(overrides), None if data_dir is None else str(data_dir))
        seed = artifact.seed if seed is None else seed
        where = pick_device(device)
        return cls(
            Path(folder), artifact, recipe, nets, seed, tuple(overrides), where, reporter or Reporter(quiet=True)
        )

    @cached_property
    def task(self) -> Task:
        """The real data."""
        return prepare_task(self.recipe, self.reporter)

    @property
    def distilled(self) -> DistilledSet:
        """The stored set."""
        return self.artifact.distilled

    @property
    def out(self) -> Path:
        """Where results go."""
        return self.folder / FOLDER

    @property
    def kind(self) -> str:
        """`words` or `pixels`."""
        return str(self.recipe.representation.kind)

    @property
    def labels_learned(self) -> bool:
        """Whether the run learned soft labels."""
        return "targets" in self.recipe.synthetic.learn and self.recipe.synthetic.labels != "hard"

    @property
    def own_network(self) -> str:
        """The name of the network that the set was distilled with."""
        return self.recipe.learner.name

    def need_labels(self, name: str) -> None:
        """`UserError` for a run that learned no labels."""
        if not self.labels_learned:
            learned = ", ".join(self.recipe.synthetic.learn)
            raise UserError(
                f"analyse {name}: {self.folder} learned {learned} and no soft labels; give a run with synthetic.learn: "
                "[targets], such as one of label distillation"
            )

    def need_real_inputs(self, name: str) -> None:
        """`UserError` for a run whose samples are no real rows."""
        rows = self.distilled.meta.get("rows")
        if rows is None or -1 in rows:
            raise UserError(
                f"analyse {name}: the samples of {self.folder} are no real rows; give a run with synthetic.init: real "
                "(or k_centers) and inputs that are not learned, such as one of label distillation"
            )

    def samples(self) -> list[dict[str, Any]] | None:
        """The real rows with their labels as in `samples.jsonl`, in the set's order; `None` where there are none."""
        path = self.folder / SAMPLES
        try:
            rows = read_samples(self.folder)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not readable ({error}); distil again") from None
        if rows is not None and len(rows) != self.distilled.samples:
            raise UserError(f"{path}: {len(rows)} samples, but the set has {self.distilled.samples}; distil again")
        return rows

    def networks(self, names: Sequence[str] | None = None) -> list[str]:
        """These names, or the set's own network and the usual ones; `UserError` for such as do not take its kind."""
        able = [name for name, part in LEARNERS.items() if self.kind in getattr(part, "takes", (self.kind,))]
        for name in names or ():
            if name not in able:
                allowed = ", ".join(able)
                raise UserError(f"--networks: {name!r}; for {self.kind} allowed: {allowed}{did_you_mean(name, able)}")
        return list(names) if names else list(dict.fromkeys([self.own_network, *USUAL.get(self.kind, able)]))

    def learner(self, name: str | None = None) -> Learner:
        """The network of this name for inputs of the set's shape; the set's own, with its settings, when `None`."""
        shape, classes = tuple(self.distilled.inputs.shape[2:]), len(self.artifact.classes)
        if name is None or name == self.own_network:
            return learner_of(self.recipe, shape, classes).to(self.where)
        part: Any = LEARNERS[name]
        settings = part.Settings(**SIZES.get(name, {}))
        return make_learner(part, settings, shape, classes).to(self.where)

    def bench(
        self,
        learner: Learner | None = None,
        optimizer: InnerOptimizer | None = None,
        plan: Train | None = None,
        task: Task | None = None,
    ) -> Bench:
        """The protocol for networks of `learner`, by the recipe's rule and plan unless told; they start anywhere.

        Without a learner, networks are the objective's: the set's own, wrapped where the objective changes them (those
        of ridge regression get its classifier). A learner that is given is taken as it is.
        """
        bench = make_bench(self.recipe, task or self.task, learner or self.learner(), self.seed)
        if learner is not None and bench.learner is not learner:
            bench = replace(bench, learner=learner, inner=None)
        return replace(
            bench,
            optimizer=optimizer or bench.optimizer,
            plan=plan or bench.plan,
            predictor=bench.predictor if optimizer is None and learner is None else None,
        )

    def texts(self, name: str) -> PlainTexts:
        """The data as texts; `UserError` for images."""
        texts = self.task.plain_texts()
        if texts is None:
            raise UserError(f"{name} reads text, and the samples of {self.folder} are images; leave it out")
        return texts
