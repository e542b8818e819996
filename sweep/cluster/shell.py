"""What a line of shell says: the programs that it calls, with their options and environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

SHELLS = "bash", "sh", "dash", "zsh", "su"
WRAPPERS: Mapping[str, tuple[str, ...]] = {
    "sudo": ("-u", "-g"),
    "env": ("-u",),
    "nice": ("-n",),
    "nohup": (),
    "setsid": (),
    "exec": (),
    "time": (),
    "then": (),
    "do": (),
}
"""Words that a call may begin with, and those of their options that take a value."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_REDIRECTION = re.compile(r"\d*[<>]&[\d-]|&>>?")
_OPERATOR = re.compile(r"[;&|()]+")


@dataclass(frozen=True)
class Call:
    """One program with what it is given. `background`: the shell does not wait; `detached`: it outlives its terminal."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    background: bool = False
    detached: bool = False

    @property
    def program(self) -> str:
        return PurePosixPath(self.words[0]).name

    def is_call_of(self, program: str, *arguments: str) -> bool:
        """Whether it calls `program` with these words first."""
        return self.program == program and self.words[1 : 1 + len(arguments)] == arguments

    def option(self, name: str) -> str | None:
        """The value of `--name VALUE` or `--name=VALUE`, the last one given; "" without a value, None if not given."""
        value = None
        for position, word in enumerate(self.words):
            if word == name:
                following = self.words[position + 1 : position + 2]
                value = following[0] if following and not following[0].startswith("-") else ""
            elif word.startswith(f"{name}="):
                value = word.partition("=")[2]
        return value


def calls(text: str) -> list[Call]:
    """The calls in a shell text, in order; what a shell would only learn at run time stays as written (`$HOME`)."""
    return list(_calls(text, {}))


def _calls(text: str, inherited: Mapping[str, str]) -> Iterator[Call]:
    exported = dict(inherited)
    for words, operator in _simple_commands(text):
        environment, words, wrappers = _unwrap(words)
        if not words:
            exported |= environment
            continue
        if words[0] in ("export", "declare"):
            exported |= dict(word.split("=", 1) for word in words[1:] if _ASSIGNMENT.match(word))
            continue
        surrounding = {**exported, **environment}
        call = Call(
            tuple(words),
            surrounding,
            operator.startswith("&") and not operator.startswith("&&"),
            bool(wrappers & {"nohup", "setsid"}),
        )
        if call.program in SHELLS and (script := _script(words)) is not None:
            yield from _calls(script, surrounding)
        else:
            yield call


def _simple_commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Words of each simple command, with the operator behind it."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for token in _tokens(line):
            if _OPERATOR.fullmatch(token):
                if words:
                    yield words, token
                words = []
            else:
                words.append(token)
        if words:
            yield words, ""


def _tokens(line: str) -> list[str]:
    # The & of `2>&1` is none that ends a call.
    lexer = shlex.shlex(_REDIRECTION.sub(">", line), posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # an unclosed quote: text for another program, or a mistake that the shell will report
        return line.split()


def _unwrap(words: list[str]) -> tuple[dict[str, str], list[str], set[str]]:
    """Environment, program with arguments, and the wrappers before it."""
    environment: dict[str, str] = {}
    wrappers: set[str] = set()
    while words:
        name = PurePosixPath(words[0]).name
        if _ASSIGNMENT.match(words[0]):
            key, value = words[0].split("=", 1)
            environment[key] = value
            words = words[1:]
        elif name in WRAPPERS:
            wrappers.add(name)
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[2 if words[0] in WRAPPERS[name] else 1 :]
        else:
            break
    return environment, words, wrappers


def _script(words: list[str]) -> str | None:
    """What `bash -c SCRIPT` runs."""
    for position, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c", word):
            return next((later for later in words[position + 1 :] if not later.startswith("-")), None)
    return None
