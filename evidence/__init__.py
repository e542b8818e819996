"""Numbers, and what they rest on: all of it can be computed again by anybody, with Python and numpy alone.

scores        confusion matrix to specificity, sensitivity and the scores of tasks
"""
