"""The pages that are measured, by what a person calls them. The words are in the rows of pages.py."""

from collections.abc import Mapping
from types import MappingProxyType

PATHS: Mapping[str, str] = MappingProxyType(
    {
        "inbox": "/",
        "overview": "/overview/",
        "search, in no row": "/?q=unheard",
        "search, in one row": "/?q=unicorn",
        "search, in 1 %": "/?q=hundredth",
        "search, in all": "/?q=refund",
        "late": "/?urgency=late",
        "critical": "/?urgency=critical",
        "high and up": "/?urgency=high",
        "history": "/history/",
        "history, search, in no row": "/history/?q=unheard",
        "history, search, in 1 %": "/history/?q=hundredth",
        "runs": "/runs/",
    }
)
