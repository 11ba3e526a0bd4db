"""`demo.json`: passwords, tokens and agent keys of the demo, for people and scripts; the same at each start."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Keyring:
    """Secrets by user name and by agent name."""

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, data: Path) -> "Keyring":
        """What an earlier start left; empty for a new data directory, or when the file is not ours to read."""
        try:
            stored = json.loads((data / "demo.json").read_text())
            return cls(
                {one["username"]: one["password"] for one in stored["people"]},
                {one["username"]: one["token"] for one in stored["people"]},
                {one["name"]: one["key"] for one in stored["agents"]},
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, data: Path, *, url: str, roles: Mapping[str, str]) -> None:
        """Write the file for its owner alone, whole or not at all."""
        content = {
            "url": url,
            "people": [
                {"username": name, "password": self.passwords[name], "role": role, "token": self.tokens[name]}
                for name, role in roles.items()
            ],
            "agents": [{"name": name, "key": key} for name, key in self.keys.items()],
        }
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = data / f"demo.{os.getpid()}.part"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
        fresh.replace(data / "demo.json")
