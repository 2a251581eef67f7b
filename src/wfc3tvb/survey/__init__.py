"""Surveys: plan, measure in parallel, store, and score again."""
