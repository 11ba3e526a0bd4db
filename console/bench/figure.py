"""What a measurement found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its unit, and the bound it should keep where there is one."""

    name: str
    value: float
    unit: str
    bound: str = ""
    held: bool | None = None
