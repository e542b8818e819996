"""Numbers, and what they rest on: all of it can be computed again by anybody, with Python and numpy alone.

bundle             predictions, the numbers made of them and what they rest on, in one file
calibration        how far probabilities can be believed
chain              check sums over lines, by which a changed line is seen
comparison         who is tied with the best, and how lucky the best was
cross_folds        configurations on all folds of patients, and their ranking
distributions      the normal and Student's distribution, without scipy
leak               how far a score rises when the test part chooses
ledger             who read the test part, when, with what
luck               how much too high the best of many scores, and what to expect instead
objectives         what configurations may be chosen by
patient_bootstrap  scores over new patients and seeds, paired between configurations
predictions        probabilities of cycles, rounded so that no answer changes
reading            all numbers of a reading of the test part
scores             confusion matrix to specificity, sensitivity and the scores of tasks
seed_statistics    a number over seeds: mean, deviation, interval of the mean
shown_numbers      the main numbers of a bundle as plain lines
ties               which configurations cannot be told from the best
validation         numbers of units and configurations on validation cycles
verify             every number of a bundle, computed again
worst_patients     whose cycles are answered worst, and what was mixed up
"""
