"""All readers that are fuzzed, by name."""

from __future__ import annotations

import fuzz_data
import fuzz_model
import fuzz_study
from fuzz_reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader for reader in (*fuzz_data.READERS, *fuzz_model.READERS, *fuzz_study.READERS)
}
