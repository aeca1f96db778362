"""Texts from the generator: top-p sampling with a key-value cache; what is no text of the task is drawn again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.errors import UserError
from textdistill.synthetic.generator.generator import Generator
from textdistill.synthetic.generator.sentences import PAD, Sentences
from textdistill.synthetic.generator.settings import Sampling

BATCH = 256
REPLACEMENT = "\ufffd"  # what bytes that are no text decode to


@dataclass(frozen=True)
class Sampled:
    """Sentences of one class, and how many others were thrown away, by reason.

    Reasons: `empty` (a sentence without a character), `unfinished` (no end within the length), `separator` (not the
    one `<sep>` of a pair, or one where there are no pairs), `stray` (a class token or another special one within the
    text), `broken` (bytes that are no text).
    """

    sentences: Sentences
    redrawn: dict[str, int]


@torch.no_grad()
def sample(
    generator: Generator,
    label: int,
    count: int,
    rng: torch.Generator,
    sampling: Sampling | None = None,
    batch: int = BATCH,
) -> Sampled:
    """`count` sentences x̃ ~ p_φ(x | class `label`), on the CPU: the same numbers of `rng` (a CPU stream) give the same.

    Every token takes one number of its sample's own row of numbers, so that `batch` only decides how many are written
    at a time. Raises `UserError` when too many are thrown away.
    """
    sampling = sampling or Sampling()
    vocabulary, training = generator.vocabulary, generator.model.training
    length = min(sampling.length or vocabulary.usual, vocabulary.longest - 1)
    kept: list[Sentences] = []
    redrawn: Counter[str] = Counter()
    done, left = 0, count * (1 + sampling.retries)
    generator.model.eval()
    try:
        while done < count:
            if left <= 0:
                raise _fruitless(generator, label, done, count, redrawn, sampling, length)
            numbers = torch.rand(min(count - done, left), length, dtype=torch.float64, generator=rng)
            left -= len(numbers)
            for part in numbers.split(batch):
                written = write(generator, label, part, sampling)
                reasons = flaws(generator, written)
                good = [row for row, reason in enumerate(reasons) if reason is None]
                redrawn.update(reason for reason in reasons if reason is not None)
                if good:
                    kept.append(written.take(good))
                    done += len(good)
    finally:
        generator.model.train(training)
    sentences = Sentences.join(kept) if kept else Sentences.of([], [])
    return Sampled(sentences, dict(redrawn))


def write(
    generator: Generator,
    label: int,
    numbers: Float[Tensor, "n length"],
    sampling: Sampling,
    begun: Int[Tensor, "n begun"] | None = None,
) -> Sentences:
    """One sentence for each row of uniform numbers, whatever it says; token t takes number t.

    The first tokens of `begun`, fewer than there are numbers, stand as they are, and are written on. Rows that are
    finished leave the batch, so that time goes with the mean length.
    """
    n, length = numbers.shape
    vocabulary, device = generator.vocabulary, generator.device
    ids = torch.full((n, 1 + length), PAD)
    ids[:, 0] = vocabulary.bos(label)
    mask = torch.zeros(n, 1 + length, dtype=torch.bool)
    mask[:, 0] = True
    first = 0 if begun is None else begun.shape[1]
    if begun is not None:
        ids[:, 1 : 1 + first], mask[:, 1 : 1 + first] = begun, True
    alive, cache = torch.arange(n), None
    for step in range(first, length):
        unseen = ids[alive, (step if cache is not None else 0) : step + 1]
        seen = generator.model(input_ids=unseen.to(device), past_key_values=cache, use_cache=True)
        cache = seen.past_key_values
        chosen = nucleus(seen.logits[:, -1], numbers[alive, step].to(device), sampling).cpu()
        ids[alive, step + 1] = chosen
        mask[alive, step + 1] = True
        going = chosen != vocabulary.eos
        if not bool(going.any()):
            break
        if not bool(going.all()):
            alive = alive[going]
            cache.batch_select_indices(going.nonzero()[:, 0].to(device))
    labels = torch.full((n,), label)
    return Sentences(ids, mask, labels).take(torch.arange(n))


def nucleus(
    logits: Float[Tensor, "n vocabulary"], numbers: Float[Tensor, " n"], sampling: Sampling
) -> Int[Tensor, " n"]:
    """One token a row from the nucleus: the tokens before which, by chance, less than `top_p` has gone (ties stay).

    A token is drawn from all by where `number` falls among the summed chances. In the nucleus, it stays. Else the place
    within that token's own share is again uniform, and draws from the nucleus alone: rejection at the cost of no new
    number, and of no sort but for the few rows that it meets.
    """
    chances = (logits.float() / sampling.temperature).softmax(1)
    token, place = _invert(chances, numbers)
    if sampling.top_p >= 1:
        return token
    own = chances.gather(1, token[:, None])
    outside = ((chances * (chances > own)).sum(1) >= sampling.top_p).nonzero()[:, 0]
    if len(outside):
        some = chances[outside]
        ordered = some.sort(1, descending=True).values
        inside = ordered.cumsum(1) - ordered < sampling.top_p
        least = ordered.masked_fill(~inside, 1.0).amin(1, keepdim=True)
        token[outside] = _invert(some * (some >= least), place[outside])[0]
    return token


def _invert(
    chances: Float[Tensor, "n vocabulary"], numbers: Float[Tensor, " n"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """The token in whose share of the summed chances a number of [0, 1) falls, and where in that share, in [0, 1)."""
    ends = chances.cumsum(1, dtype=torch.float64)
    target = numbers[:, None] * ends[:, -1:]
    token = torch.searchsorted(ends, target, right=True).clamp_max(chances.shape[1] - 1)
    width = chances.gather(1, token).double()
    place = (target - (ends.gather(1, token) - width)) / width
    return token[:, 0], place[:, 0].clamp(0.0, 1.0 - 2.0**-53)


def flaws(generator: Generator, written: Sentences) -> list[str | None]:
    """Why each sentence is no text of the task; `None` where it is one."""
    vocabulary = generator.vocabulary
    ids, inside = written.ids[:, 1:], written.mask[:, 1:]
    ends = inside & (ids == vocabulary.eos)
    seps = (inside & (ids == vocabulary.sep)).sum(1)
    stray = inside & ~ends & (ids != vocabulary.sep) & ~vocabulary.sayable[ids]
    wrong = {
        "unfinished": ~ends.any(1),
        "stray": stray.any(1),
        "separator": seps != int(vocabulary.pairs),
    }
    texts, pairs = vocabulary.decode(written)
    out: list[str | None] = []
    for row in range(len(written)):
        said = [texts[row]] if pairs is None else [texts[row], pairs[row]]
        reason = next((name for name, rows in wrong.items() if bool(rows[row])), None)
        if reason is None and not all(text.strip() for text in said):
            reason = "empty"
        if reason is None and any(REPLACEMENT in text for text in said):
            reason = "broken"
        out.append(reason)
    return out


def _fruitless(
    generator: Generator, label: int, found: int, count: int, redrawn: Counter[str], sampling: Sampling, length: int
) -> UserError:
    reasons = ", ".join(f"{reason} {times}" for reason, times in redrawn.most_common())
    return UserError(
        f"generator {generator.name!r}: {found} of {count} samples of class {label} after {sampling.retries} retries "
        f"each; thrown away: {reasons}\n"
        f"Train the language model for longer, or raise sampling.length ({length}) or sampling.retries."
    )
