"""Which classes show a tumour: what the missed-tumour rate counts, and what the study's attacks aim away from."""

from __future__ import annotations

from collections.abc import Sequence

from mri_robust.core.errors import UserError
from mri_robust.core.registry import did_you_mean

NO_TUMOUR = ("notumor", "no_tumor", "no-tumor", "notumour", "no_tumour", "healthy", "normal")
"""Names, in any case, of a class without a tumour, where nobody says which classes have one."""


def healthy_classes(classes: Sequence[str], tumour_classes: Sequence[str] = ()) -> tuple[int, ...]:
    """Places of the classes without a tumour; none where no name says so.

    Args:
        classes: class names.
        tumour_classes: those with a tumour, so that the others have none; empty to go by `NO_TUMOUR`.

    Raises:
        UserError: a tumour class is none of the classes, or all of them are.
    """
    if not tumour_classes:
        return tuple(place for place, name in enumerate(classes) if name.lower() in NO_TUMOUR)
    for name in tumour_classes:
        if name not in classes:
            raise UserError(f"--tumour-classes: the data have no class '{name}'{did_you_mean(name, list(classes))}")
    healthy = tuple(place for place, name in enumerate(classes) if name not in tumour_classes)
    if not healthy:
        raise UserError(f"--tumour-classes names all of {', '.join(classes)}: leave out those without a tumour")
    return healthy
