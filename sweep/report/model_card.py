"""A model card: what networks are, what they learned from, what they are worth, and where they are not to be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from data.population import in_words
from data.quantities import counted
from sweep.report.markdown import plain, table
from sweep.report.model_card_facts import CardFacts
from sweep.report.model_card_scores import scores_of_choice, scores_of_readings, weak_groups


def model_card(facts: CardFacts, files: Mapping[str, str]) -> str:
    """Write the model card as Markdown, given the SHA-256 (hex) of each file of weights by its name.

    Texts of users and files are shown to the letter.
    """
    sections = {
        "What it is": _what_it_is(facts),
        "What it was trained on": _trained_on(facts),
        "How it came about": _protocol(facts),
        "Scores on validation patients": scores_of_choice(facts),
        "Scores on the official test part": scores_of_readings(facts),
        "Limits": _limits(facts),
        "How to use it": _use(facts),
        "How to check it": _checks(facts, files),
        "Licence": _licence(facts),
    }
    title = f"# Respiratory sounds by {facts.recipe.backbone.title}: {plain(facts.study)}"
    opening = (
        "**Not a medical device; not for diagnosis.** These are networks of a research program. Nobody has shown what "
        "they are worth on your patients, your microphones and your rooms."
    )
    blocks = [title, opening]
    for heading, content in sections.items():
        blocks += [f"## {heading}", *content]
    return "\n\n".join(blocks) + "\n"


def _what_it_is(facts: CardFacts) -> Iterator[str]:
    recipe, task = facts.recipe, facts.task
    features = recipe.features
    frames, mels = features.input_shape
    kept = features.kept_bands
    some = "" if kept is None else f", of which the network is given {len(kept)} (`features.bands`)"
    top = features.high_hz or features.sample_rate / 2
    unit = "a whole recording" if task.whole_recordings else "a breath cycle"
    yield table(
        ("", ""),
        [
            ("network", f"{recipe.backbone.title}, {facts.parameters:,} parameters"),
            ("networks", f"{len(facts.seeds)}, one for each of the seeds {', '.join(map(str, facts.seeds))}; together "
             "they answer with the mean of their probabilities"),
            ("input", f"log-mel spectrogram of {frames} frames and {mels} bands ({features.low_hz:g} to {top:g} Hz"
             f"{some}) of {unit}, {features.duration_s:g} s at {features.sample_rate} Hz, cut or padded "
             f"({features.padding})"),
            ("output", f"a probability for each of {', '.join(map(plain, task.labels))}; the first is normal"),
            ("task", f"{plain(task.name)}, scored by the {task.score_name}"),
            ("from", f"study {plain(facts.study)}, configuration {facts.configuration}"),
        ],
    )  # fmt: skip
    if facts.values:
        yield "Settings that the search chose (all others are in `recipe.yaml`):"
        yield table(
            ("field", "value"), [(plain(field), plain(value)) for field, value in facts.values.items()]
        )


def _trained_on(facts: CardFacts) -> Iterator[str]:
    held_out = f"without {facts.held_out}" if facts.held_out else "all of it, nobody held out"
    if (population := facts.recipe.population) != "all":
        held_out = f"{held_out}; of it {in_words(population)} alone (`population` in the recipe)"
    yield (
        f"The official training part of {plain(facts.data_name)} (SHA-256 of recordings and annotations "
        f"{plain(facts.data_hash)}), {held_out}."
    )
    if (pretrained := facts.recipe.backbone.pretrained) is not None:
        yield f"Before that the network had the weights {plain(pretrained.rpartition('/')[2])}; see `recipe.yaml`."
    if facts.heard is None:
        yield f"How many cycles of whom: not known, as the recordings were not at hand ({plain(facts.unheard)})."
        return
    heard = facts.heard
    yield f"{counted(heard.cycles, 'cycle')} of {counted(heard.patients, 'patient')}:"
    yield table(("label", "cycles"), [(plain(label), str(count)) for label, count in heard.labels.items()])
    yield table(
        ("property", "value", "cycles", "patients"),
        [
            (plain(name), plain(value) or "not known", str(cycles), str(patients))
            for name, values in heard.groups.items()
            for value, (cycles, patients) in values.items()
        ],
    )


def _protocol(facts: CardFacts) -> Iterator[str]:
    recipe = facts.recipe
    epoch = (
        "its last epoch counts"
        if recipe.selection == "last"
        else "its best epoch on validation patients counts"
    )
    yield (
        f"Each network was trained for {counted(recipe.epochs, 'epoch')}; {epoch}. Configurations were compared on "
        "patients of the official training part that were held out from training, each with several seeds; a patient is "
        "never on both sides. The official test part had no share in any choice."
    )
    if facts.finishes is not None:
        whose = "" if recipe.population == "all" else f" who are {in_words(recipe.population)}"
        yield (
            f"The study {plain(facts.finishes)} chose the settings. These networks were then trained anew with them, "
            f"with other seeds, on all patients of the training part{whose} (`respsweep finish`)."
        )
    else:
        yield (
            "These are the networks of the search itself: their seeds are among those by whose scores the configuration "
            "was chosen."
        )


def _limits(facts: CardFacts) -> Iterator[str]:
    lines = ["Not a medical device, and not for diagnosis: its answers are probabilities of sounds."]
    if (population := facts.recipe.population) != "all":
        lines.append(
            f"For {in_words(population)} alone: `respsweep predict` refuses recordings of others, and of patients whose "
            "age it is not told."
        )
    if facts.heard is None:
        lines.append(
            "Which devices, ages and sites it has heard is not known here, so expect it to have heard few."
        )
    else:
        groups = facts.heard.groups
        for name, words in (("device", "devices"), ("site", "sites on the chest"), ("sex", "sexes")):
            known = {value: counts for value, counts in groups.get(name, {}).items() if value}
            listed = ", ".join(f"{plain(value)} ({counted(cycles, 'cycle')} of {counted(patients, 'patient')})"
                               for value, (cycles, patients) in known.items())  # fmt: skip
            lines.append(
                f"It has heard these {words} and no others: {listed}."
                if known
                else f"Of no cycle is the {name} known, so which {words} it has heard nobody can say."
            )
        if facts.heard.ages_unheard:
            ages = "; ".join(map(plain, facts.heard.ages_unheard))
            lines.append(f"It has heard nobody whose age is known to be, in years: {ages}.")
        lines += [
            f"Of {counted(values[''][0], 'cycle')} of {counted(values[''][1], 'patient')} the {name} is not known."
            for name, values in groups.items()
            if "" in values and len(values) > 1
        ]
    for reading in facts.tested[:1]:
        lines += weak_groups(reading, facts.heard)
    if not facts.tested:
        lines.append("On which groups of patients it does worse has not been measured.")
    lines.append(
        "What it was not trained on (speech, coughs, heart sounds, noise of other rooms) gets a label as well."
        if facts.task.whole_recordings
        else "It was trained on single breaths that people had marked; of a window with several breaths, or none, it "
        "says something as well."
    )
    lines.append("No threshold was tuned: an answer is the most probable label.")
    yield "\n".join(f"- {line}" for line in lines)


def _use(facts: CardFacts) -> Iterator[str]:
    yield "With respsweep installed, and this folder as `DIR`:"
    yield (
        "```sh\n"
        "respsweep predict DIR breath.wav\n"
        f"respsweep train DIR/recipe.yaml --data DATA --task {facts.task.name} --seed 1\n"
        "```"
    )
    yield "The first has all networks answer to a recording; the second trains one anew, on recordings in `DATA`."


def _checks(facts: CardFacts, files: Mapping[str, str]) -> Iterator[str]:
    yield "SHA-256 of the files of weights, as `sha256sum` prints them:"
    yield table(("file", "SHA-256"), [(plain(name), plain(digest)) for name, digest in files.items()])
    yield (
        "The seals in the study's ledger name the files that the units left; that SHA-256 is `unit_sha256` in the "
        f"metadata of each file here. The recipe's digest is {facts.recipe.digest()}."
    )
    bundles = [plain(reading.bundle) for reading in facts.tested if reading.bundle is not None]
    if bundles:
        yield (
            f"Every number of the test part is computed again from the study's bundles ({', '.join(bundles)}), without "
            "audio or GPU, by `respsweep verify BUNDLE`; `respsweep ledger NAME` says who read when."
        )
    versions = ", ".join(f"{plain(name)} {plain(version)}" for name, version in facts.versions.items())
    yield f"Made with {versions}; commit {plain(facts.commit or 'not known')}."


def _licence(facts: CardFacts) -> Iterator[str]:
    yield (
        f"The licence of the recordings ({plain(facts.data_name)}) and the consent of the patients say whether these "
        "weights may be passed on, and to what end. respsweep does not know them: **fill in here** the licence of the "
        "recordings, and that of these weights."
    )
