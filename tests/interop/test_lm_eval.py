"""lm-evaluation-harness loads the exported task and runs it on a real language model, with our shots in the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.samples import hostile, material, plain
from textdistill.data.sets.text_set import TextSet
from textdistill.export import FORMATS, Shots, write

pytestmark = pytest.mark.interop


def loaded(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task as the harness makes it from the folder, which is the working directory as the file says."""
    from lm_eval.tasks import TaskManager

    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder.parent / "cache"))
    return TaskManager(include_path=str(folder), include_defaults=False).load([name])["tasks"][name]


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_the_prompt_of_every_row_is_the_one_we_would_write(
    pairs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, test = hostile(pairs).take([3, 0, 5, 2, 1, 17]), hostile(pairs)
    told = material(samples, test=test, name="hostile")
    write(tmp_path / "task", FORMATS["lm-eval"](), told)
    task = loaded(tmp_path / "task", "hostile", monkeypatch)
    docs = list(task.test_docs())
    assert len(docs) == len(test)
    for row, question in enumerate(told.wording.questions(test)):
        prompt = task.fewshot_context(docs[row], task.config.num_fewshot)
        assert prompt == told.wording.prefix(samples) + question
        choices = [one.args for one in task.construct_requests(docs[row], prompt, doc_id=row)]
        assert choices == [(prompt, told.wording.gap + word) for word in told.wording.label_words]
        assert task.doc_to_target(docs[row]) == test.labels[row]


def test_it_runs_on_smollm2_and_counts_right_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM

    from textdistill.learners.pretrained.language_models import load_causal

    shots = plain(4)
    texts = ["a wonderful film", "a terrible bore", "great fun", "dull and bad"]
    test = TextSet(texts, np.array([1, 0, 1, 0]), shots.classes)
    write(tmp_path / "task", FORMATS["lm-eval"](), material(shots, Shots(), test, name="tiny"))
    task = loaded(tmp_path / "task", "tiny", monkeypatch)
    loaded_model = load_causal("smollm2", dtype=torch.float32)
    model = HFLM(pretrained=loaded_model.model, tokenizer=loaded_model.tokenizer, batch_size=4, device="cpu")
    found = lm_eval.simple_evaluate(model=model, tasks=[task], bootstrap_iters=0, log_samples=True, verbosity="ERROR")
    assert found is not None
    samples = found["samples"]["tiny"]
    right = [one["target"] == max((0, 1), key=lambda k, one=one: one["filtered_resps"][k][0]) for one in samples]
    assert found["results"]["tiny"]["acc,none"] == sum(right) / len(right)
    prefix = material(shots).wording.prefix(shots)
    assert [one["arguments"][0][0] for one in samples] == [prefix + f"Text: {text}\nLabel:" for text in test.texts]
    assert found["n-shot"]["tiny"] == 4
