"""Numbers, and what they rest on: all of it can be computed again by anybody, with Python and numpy alone.

bundle        predictions, the numbers made of them and what they rest on, in one file
chain         check sums over lines, by which a changed line is seen
predictions   probabilities of cycles, rounded so that no answer changes
scores        confusion matrix to specificity, sensitivity and the scores of tasks
"""
