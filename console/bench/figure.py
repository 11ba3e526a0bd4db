"""What a measurement found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its unit, its standard error where it was drawn, and the bound it should keep, if any."""

    name: str
    value: float
    unit: str
    bound: str = ""
    held: bool | None = None
    error: float | None = None
