"""Short recordings in the formats that exist, and what may lie in their files beside the samples."""

from __future__ import annotations

import random
from io import BytesIO

import numpy as np
import soundfile

FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_U8"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("FLAC", "PCM_S8"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("W64", "PCM_16"),
    ("CAF", "PCM_16"),
    ("VOC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("NIST", "PCM_16"),
)
NAME = "101_1b1_Al_sc_Meditron"


def recordings() -> list[tuple[str, bytes]]:
    """Names and contents of files that hold half a second of noise each, by format."""
    made = []
    for number, (form, subtype) in enumerate(FORMATS):
        suffix = ".flac" if form == "FLAC" else ".wav"
        made.append((f"{NAME}{suffix}", _recording(number, form, subtype)))
    for channels, rate in ((2, 4000), (1, 44100), (1, 7), (1, 655_350)):
        made.append((f"{NAME}.wav", _recording(channels, "WAV", "PCM_16", channels, rate)))
    return made


def with_a_foreign_part(content: bytes, rng: random.Random) -> bytes | None:
    """Add a chunk (WAV) or a block (FLAC) that readers pass over; None for other formats."""
    filling = rng.randbytes(2 * rng.randrange(1, 100))
    if content[:4] == b"RIFF" and content[8:16] == b"WAVEfmt ":
        length = int.from_bytes(content[16:20], "little")
        place = 20 + length + length % 2
        chunk = (
            rng.choice((b"LIST", b"JUNK", b"bext", b"id3 ")) + len(filling).to_bytes(4, "little") + filling
        )
        total = (int.from_bytes(content[4:8], "little") + len(chunk)).to_bytes(4, "little")
        return content[:4] + total + content[8:place] + chunk + content[place:]
    if content[:4] == b"fLaC":
        # After the first block, which says rate and length, comes one of padding.
        return content[:42] + b"\x01" + len(filling).to_bytes(3, "big") + filling + content[42:]
    return None


def _recording(number: int, form: str, subtype: str, channels: int = 1, rate: int = 4000) -> bytes:
    noise = np.random.default_rng(number).uniform(-0.5, 0.5, (2000, channels))
    made = BytesIO()
    soundfile.write(made, noise, 8000 if subtype == "GSM610" else rate, subtype, format=form)
    return made.getvalue()
