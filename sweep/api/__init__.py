"""The door for Python: what `import sweep` offers beside the command line.

functions             read_study, plan, run, open, studies, compare, simulate
study                 a study as a Python object: tables, the best configuration, events
configuration_result  one of its configurations as a Python object
plots                 the figures of a study, for notebooks and papers
arguments             what callers give, checked
"""
