"""`make bench`: what Voltaro costs and how fast it is, beside yardsticks of the same run.

`python -m loadtest.bench --help` tells the options, docs/performance.md what the figures mean.
"""
