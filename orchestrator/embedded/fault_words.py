"""How a fault on demand is written, whichever embedded server it is for: `KIND`, or `KIND@key=value,key=value`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from orchestrator.embedded.errors import BadFault

Fault = TypeVar("Fault")
Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class FaultWords(Generic[Fault]):
    """Reads the faults of one kind of server.

    Args:
        made: The dataclass of a fault; its fields are the keys that there are, `kind` among them.
        kinds: The kinds that there are.
        readers: Key -> what makes its value of a text or a JSON value; keys that are not named hold text.
    """

    made: type[Fault]
    kinds: Collection[str]
    readers: Mapping[str, Reader]

    def parse(self, text: str) -> Fault:
        """Read a fault as it is written on the command line.

        Raises:
            BadFault: unknown kind, unknown key, or a value that does not fit.
        """
        kind, _, rest = text.partition("@")
        values: dict[str, Any] = {"kind": kind.strip()}
        for part in filter(None, (piece.strip() for piece in rest.split(","))):
            key, equals, value = part.partition("=")
            if not equals:
                raise BadFault(f"{text!r}: expected key=value, found {part!r}")
            values[key.strip()] = value.strip()
        return self.from_json(values)

    def from_json(self, values: Mapping[str, Any]) -> Fault:
        """Build a fault from its facts.

        Raises:
            BadFault: unknown kind, unknown key, or a value that does not fit.
        """
        kind = str(values.get("kind", ""))
        if kind not in self.kinds:
            raise BadFault(f"unknown fault {kind!r}; known: {', '.join(self.kinds)}")
        known = {field.name for field in fields(self.made)}  # type: ignore[arg-type]
        built: dict[str, Any] = {}
        for key, value in values.items():
            if key not in known:
                raise BadFault(f"{kind}: unknown key {key!r}; known: {', '.join(sorted(known - {'kind'}))}")
            try:
                built[key] = self.readers.get(key, str)(value)
            except (TypeError, ValueError):
                raise BadFault(f"{kind}: {key}={value!r} is not a number") from None
        return self.made(**built)
