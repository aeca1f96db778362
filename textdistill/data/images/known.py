"""The image data sets that are known by name: where they are, their classes, and the files they come in."""

from __future__ import annotations

from dataclasses import dataclass

from textdistill.core.errors import DataError, did_you_mean


@dataclass(frozen=True)
class KnownImages:
    """An image data set known by name.

    `hub` is its id (and `config`) on the hub, `None` where the hub has no copy we know; `image` and `label` its
    columns there; `folders` the names that a folder of its files may have; `prefix` how the names of its idx files
    begin. Local labels count from `first_label`; `transposed` images are stored with rows and columns exchanged.
    """

    hub: str | None
    classes: tuple[str, ...]
    folders: tuple[str, ...]
    config: str | None = None
    image: str = "image"
    label: str = "label"
    prefix: str = ""
    first_label: int = 0
    transposed: bool = False
    metrics: tuple[str, ...] = ("accuracy",)


_DIGITS = tuple("0123456789")
_UPPER, _LOWER = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), tuple("abcdefghijklmnopqrstuvwxyz")
_MERGED = (*_DIGITS, *_UPPER, *"abdefghnqrt")  # the lower-case letters that do not look like their capitals
_CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100_NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
_CIFAR20_NAMES = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
    "household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes "
    "large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees "
    "vehicles_1 vehicles_2"
)
_CIFAR100, _CIFAR20 = tuple(_CIFAR100_NAMES.split()), tuple(_CIFAR20_NAMES.split())
_CIFAR100_FOLDERS = ("cifar100", "cifar-100", "cifar-100-binary")


def _emnist(config: str, classes: tuple[str, ...], hub: str | None = None, first_label: int = 0) -> KnownImages:
    folders = (f"emnist_{config}", f"emnist-{config}", "emnist")
    return KnownImages(hub, classes, folders, prefix=f"emnist-{config}-", first_label=first_label, transposed=True)


IMAGE_DATA: dict[str, KnownImages] = {
    "mnist": KnownImages("ylecun/mnist", _DIGITS, ("mnist", "MNIST")),
    "digits": KnownImages(None, _DIGITS, ("digits",)),
    "fashion_mnist": KnownImages(
        "zalando-datasets/fashion_mnist", _CLOTHES, ("fashion_mnist", "fashion-mnist", "FashionMNIST")
    ),
    "kmnist": KnownImages(
        "tanganke/kmnist", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), ("kmnist", "KMNIST")
    ),
    "emnist:letters": _emnist("letters", _UPPER, "tanganke/emnist_letters", first_label=1),
    "emnist:mnist": _emnist("mnist", _DIGITS),
    "emnist:digits": _emnist("digits", _DIGITS),
    "emnist:balanced": _emnist("balanced", _MERGED),
    "emnist:bymerge": _emnist("bymerge", _MERGED),
    "emnist:byclass": _emnist("byclass", (*_DIGITS, *_UPPER, *_LOWER)),
    "cifar10": KnownImages("uoft-cs/cifar10", _CIFAR10, ("cifar10", "cifar-10", "cifar-10-batches-bin"), image="img"),
    "cifar100": KnownImages("uoft-cs/cifar100", _CIFAR100, _CIFAR100_FOLDERS, image="img", label="fine_label"),
    "cifar100:coarse": KnownImages("uoft-cs/cifar100", _CIFAR20, _CIFAR100_FOLDERS, image="img", label="coarse_label"),
    "svhn": KnownImages("ufldl-stanford/svhn", _DIGITS, ("svhn", "SVHN"), config="cropped_digits"),
}
IMAGE_ALIASES = {"fashion-mnist": "fashion_mnist", "cifar-10": "cifar10", "cifar-100": "cifar100"}


def find_known_images(name: str) -> tuple[str, KnownImages] | None:
    """The data set of this name or alias with its proper name, `None` for another; `emnist` needs its config."""
    plain = name.strip().lower()
    if plain == "emnist":
        configs = ", ".join(known for known in IMAGE_DATA if known.startswith("emnist:"))
        raise DataError(f"name: 'emnist' has several parts; name one: {configs}")
    proper = IMAGE_ALIASES.get(plain, plain)
    return (proper, IMAGE_DATA[proper]) if proper in IMAGE_DATA else None


def known_on_hub(hub_id: str) -> KnownImages | None:
    """What is known of a data set of the hub: its columns and its classes."""
    return next((known for known in IMAGE_DATA.values() if known.hub is not None and known.hub == hub_id), None)


def image_names_help(name: str) -> str:
    """The known names, and the one that was perhaps meant."""
    return f"known: {', '.join(IMAGE_DATA)}{did_you_mean(name, [*IMAGE_DATA, *IMAGE_ALIASES])}"
