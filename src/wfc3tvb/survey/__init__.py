"""The survey: plan, measure in parallel, store, score again."""
