"""From the best configuration to a number on the official test part, and the evidence for it.

unified_model        the network for all patients beside one for some, trained alike
finish               the study that trains the best configuration on all patients, with fresh seeds
searched_weights     whether a file of weights is still the one that was searched with
ledgers              where the readings of a test part are written down: beside the study, and beside the data
epoch_readings       seals a study whose units read the test part at every epoch, and only then lets them
study_comparison     whether two studies can be compared, and how far apart their winners are
leak_reading         how far choosing by the test part would have raised a study's score
test_reading         seals a reading, reads the test part once, and writes down what came out
predict              answers of a study's networks to recordings that nobody has labelled
routing              which of several studies' networks answers to a recording, by its patient's age
spectral_curves      what the layers of these networks do to each spatial frequency
explain              what the answer to one cycle rests on
weights_folder       a folder with the weights of a configuration's seeds, written and read back
card_facts           what a model card tells, gathered from a study and its readings
sealed_recordings    recordings of the test part, known again by their bytes
finished_units       recipe and weights of the finished units of a configuration
written_bundles      whether the bundles of readings are those that were written down
best_answers         what the best configuration answered: groups, the patients answered worst
confident_errors     the wrong answers of which it was surest, with sound and spectrogram
error_maps           what these wrong answers rest on, as maps over their spectrograms
validation_bundle    the validation predictions of a study, in one file with what its journal tells of them
recordings_of        where the recordings of a study lie
scored_cycles        which of them a study of some patients is scored on
cycles_table         the cycles of a part as a bundle holds them, with patients and devices
cross_folds          the study that validates the finalists of a search on the other folds of patients
band_selection       mel bands, ranked by networks of all folds, and removed until scores fall
kept_networks        what these networks came to, kept until the ranking is written
cross_fold_bundle    what finalists answered on all folds, put together, scored, and ranked
cross_fold_ranking   that ranking as it was written, and what is chosen by it
"""
