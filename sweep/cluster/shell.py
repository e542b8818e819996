"""Programs that a shell text calls, with their options and environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

SHELLS = "bash", "sh", "dash", "zsh", "su"
WRAPPERS = {"sudo": ("-u", "-g"), "env": ("-u",), "nice": ("-n",)}
WRAPPERS |= dict.fromkeys(("nohup", "setsid", "exec", "time", "then", "do"), ())
"""Words that a call may begin with, and those of their options that take a value."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
_REDIRECTION = re.compile(r"\d*[<>]&[\d-]|&>>?")
_OPERATOR = re.compile(r"[;&|()]+")


@dataclass(frozen=True)
class Call:
    """A program with what it is given. `background`: the shell does not wait; `detached`: it outlives its terminal."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    background: bool = False
    detached: bool = False

    @property
    def program(self) -> str:
        return PurePosixPath(self.words[0]).name

    def is_call_of(self, program: str, *arguments: str) -> bool:
        """Whether this is a call of `program` with these words first."""
        return self.program == program and self.words[1 : 1 + len(arguments)] == arguments

    def option(self, name: str) -> str | None:
        """Find the value of `--name VALUE` or `--name=VALUE`, the last given; "" without a value, None if not given."""
        value = None
        for word, following in zip(self.words, [*self.words[1:], "-"], strict=True):
            if word == name:
                value = "" if following.startswith("-") else following
            elif word.startswith(f"{name}="):
                value = word.partition("=")[2]
        return value


def calls(text: str) -> list[Call]:
    """List the calls in a shell text, in order; what a shell learns at run time alone stays as written (`$HOME`)."""
    return list(_calls(text, {}))


def _calls(text: str, inherited: Mapping[str, str]) -> Iterator[Call]:
    exported = dict(inherited)
    for words, operator in _simple_commands(text):
        environment, wrappers = _unwrap(words)
        if not words:
            exported |= environment
        elif words[0] in ("export", "declare"):
            exported |= dict(word.split("=", 1) for word in words[1:] if _ASSIGNMENT.match(word))
        else:
            in_background = operator.startswith("&") and not operator.startswith("&&")
            detached = bool(wrappers & {"nohup", "setsid"})
            call = Call(tuple(words), {**exported, **environment}, in_background, detached)
            script = _script(words) if call.program in SHELLS else None
            yield from [call] if script is None else _calls(script, call.environment)


def _simple_commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield the words of each simple command, with the operator behind them."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for token in [*_tokens(line), ";"]:
            if not _OPERATOR.fullmatch(token):
                words.append(token)
            elif words:
                yield words, token
                words = []


def _tokens(line: str) -> list[str]:
    # The & of `2>&1` is none that ends a call.
    lexer = shlex.shlex(_REDIRECTION.sub(">", line), posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # an unclosed quote: text for another program, or a mistake that the shell will report
        return line.split()


def _unwrap(words: list[str]) -> tuple[dict[str, str], set[str]]:
    """Take from `words` what stands before the program: assignments, and wrappers with their options."""
    environment: dict[str, str] = {}
    wrappers: set[str] = set()
    while words:
        name = PurePosixPath(words[0]).name
        if _ASSIGNMENT.match(words[0]):
            key, _, value = words.pop(0).partition("=")
            environment[key] = value
        elif name in WRAPPERS:
            wrappers.add(words.pop(0).rpartition("/")[2])
            while words and words[0].startswith("-"):
                del words[: 2 if words[0] in WRAPPERS[name] else 1]
        else:
            break
    return environment, wrappers


def _script(words: list[str]) -> str | None:
    """Find the script that `bash -c SCRIPT` runs; None for other words."""
    for position, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c", word):
            return next((later for later in words[position + 1 :] if not later.startswith("-")), None)
    return None
