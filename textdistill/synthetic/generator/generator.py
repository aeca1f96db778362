"""The generator: a causal language model over a vocabulary, its likelihood of sentences, and its folder on disk."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import ArtifactError
from textdistill.learners.pretrained.hub_models import quiet
from textdistill.synthetic.generator.sentences import Sentences
from textdistill.synthetic.generator.vocabulary import Vocabulary, plain_tokenizer

FORMAT = 1
WEIGHTS, TOKENIZER, CONFIG, ABOUT = "model.safetensors", "tokenizer.json", "config.json", "generator.json"


class Generator:
    """p_φ(x | class): a causal language model of Hugging Face that begins with the token of a class.

    `model` has as many embedding rows as `vocabulary` has tokens; `name` is what its settings called it.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary, name: str = "small"):
        self.model, self.vocabulary, self.name = model.eval(), vocabulary, name

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(iter(self.parameters().values())).device

    def to(self, device: torch.device | str) -> Generator:
        """This generator, moved."""
        self.model.to(device)
        return self

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """φ by name; weights that the model uses twice (the embedding and the last layer) are there once."""
        return dict(self.model.named_parameters())

    def nll(self, sentences: Sentences) -> Float[Tensor, " n"]:
        """l_φ(x_i) = −1/|x_i| Σ_t log p_φ(w_t | w_<t), the paper's Eq. 1, over a row's own tokens after `<bos_c>`.

        Differentiable in φ. Times `sentences.lengths` it is −log p_φ(x_i).
        """
        ids, wanted = sentences.ids.to(self.device), sentences.mask[:, 1:].to(self.device)
        # What is filled up stands on the right, where no token of the row looks: no attention mask is needed.
        if self._plain_head:
            states = self.model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
            logits = self.model.get_output_embeddings()(states[wanted])
        else:
            logits = self.model(input_ids=ids[:, :-1], use_cache=False).logits[wanted]
        if logits.dtype in (torch.bfloat16, torch.float16):
            logits = logits.float()
        each = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
        grid = each.new_zeros(wanted.shape).masked_scatter(wanted, each)
        return grid.sum(1) / wanted.sum(1)

    @cached_property
    @torch.no_grad()
    def _plain_head(self) -> bool:
        """Whether logits are the last layer of the last states and nothing else (some models scale or bound them).

        The last layer then sees a row's own tokens alone.
        """
        training, ids = self.model.training, torch.arange(3, device=self.device)[None]
        self.model.eval()
        states = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        same = torch.equal(
            self.model.get_output_embeddings()(states), self.model(input_ids=ids, use_cache=False).logits
        )
        self.model.train(training)
        return same

    def save(self, folder: Path) -> None:
        """Write `folder`, which transformers can read too: safetensors and JSON, each file whole or not at all.

        The weights come last and name the other files' contents, so that `load` sees a folder half replaced.
        """
        vocabulary = self.vocabulary
        about = {
            "format": FORMAT,
            "name": self.name,
            **{key: getattr(vocabulary, key) for key in ("base", "classes", "pairs", "longest", "usual", "own_eos")},
        }
        contents = {
            CONFIG: self.model.config.to_json_string(use_diff=False),
            TOKENIZER: vocabulary.tokenizer.to_str(),
            ABOUT: json.dumps(about, indent=1, sort_keys=True),
        }
        for name, content in contents.items():
            write_atomic(folder / name, content)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.parameters().items()}
        write_atomic(folder / WEIGHTS, save(weights, {"format": "pt", "beside": _digest(contents)}))

    @staticmethod
    def load(folder: Path) -> Generator:
        """What `save` wrote. `ArtifactError` for a folder that is missing, damaged or half replaced."""
        try:
            contents = {name: (folder / name).read_text(encoding="utf-8") for name in (CONFIG, TOKENIZER, ABOUT)}
            about, settings = json.loads(contents[ABOUT]), json.loads(contents[CONFIG])
            with safe_open(folder / WEIGHTS, framework="pt") as file:
                beside = (file.metadata() or {}).get("beside")
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            raise ArtifactError(f"{folder}: not a readable generator ({error}); train it again") from None
        known = isinstance(about, dict) and isinstance(settings, dict)
        if not known or about.pop("format", None) != FORMAT or beside != _digest(contents):
            raise ArtifactError(f"{folder}: files of different generators or of another version; train it again")
        try:
            name = str(about.pop("name"))
            vocabulary = Vocabulary(plain_tokenizer(contents[TOKENIZER]), **about)
            model = model_of(settings)
        except Exception as error:  # of whatever another hand has put into three files that agree
            raise ArtifactError(f"{folder}: no generator of ours ({error!s:.200}); train it again") from None
        parameters = dict(model.named_parameters())
        shapes = {key: value.shape for key, value in weights.items()}
        if shapes != {key: value.shape for key, value in parameters.items()}:
            raise ArtifactError(f"{folder}: the weights are not those of the model in {CONFIG}; train it again")
        with torch.no_grad():
            for key, value in parameters.items():
                value.copy_(weights[key])
        return Generator(model, vocabulary, name)


def model_of(settings: dict[str, Any], seed: int = 0) -> Any:
    """A causal model with weights at random from the values of a `config.json`; global random state stays as it is."""
    with quiet() as transformers, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.AutoConfig.for_model(**settings)
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)


def _digest(contents: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
