"""What the server of `tests.warm` imports before it forks anything."""

from tests import warm

warm.import_late()
