"""Mutants that a person has judged: they behave as the code does, so no test can notice them."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_suffix(".toml")
# A text of three words and more.
_SENTENCE = re.compile(r'"[^"]*\w \w[^"]* \w[^"]*"')


@dataclass(frozen=True, slots=True)
class Mutant:
    """One thing changed: in the function `where`, the lines of `code` became those of `mutated`.

    `where` is the function's name as it is imported, of a method with its class. Lines are without
    the blanks around them, so that a judgement survives what does not touch its line.
    """

    where: str
    code: tuple[str, ...]
    mutated: tuple[str, ...]

    @property
    def is_wording(self) -> bool:
        """Whether only a sentence for people is spelt otherwise: its letters' case, or Xs around.

        That an error has a text at all, and what values it names, is still to be noticed.
        """
        if len(self.code) != 1 or len(self.mutated) != 1:
            return False
        code, mutated = self.code[0], self.mutated[0].replace("XX", "")
        return code.casefold() == mutated.casefold() and _SENTENCE.search(code) is not None


def mutant_of(where: str, diff: Iterable[str]) -> Mutant:
    """Return the mutant that a unified diff of the function `where` shows."""
    lines = [line for line in diff if not line.startswith(("---", "+++"))]
    code, mutated = (
        tuple(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return Mutant(where, code, mutated)


def read_equivalents(path: Path = LIST) -> dict[Mutant, str]:
    """Return what was judged, with the reason.

    Raises:
        ValueError: a mutant has no reason, or is listed twice.
    """
    found: dict[Mutant, str] = {}
    for where, judged in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for each in judged:
            mutant = Mutant(where, _lines(each["code"]), _lines(each["mutated"]))
            if not each["why"].strip() or mutant in found:
                raise ValueError(f"{path.name}: {mutant} has no reason, or stands there twice")
            found[mutant] = each["why"]
    return found


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())
