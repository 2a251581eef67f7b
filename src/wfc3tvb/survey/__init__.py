"""Surveys: plan, measure in parallel, store, and score again.

The package can be called: ``wfc3tvb.survey(...)`` is `wfc3tvb.survey.survey.survey`, also named ``wfc3tvb.run_survey``.
"""

from __future__ import annotations

import sys
from inspect import Signature, signature
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """Package that is also the function that runs a survey."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run a survey; see `wfc3tvb.survey.survey.survey`."""
        return _function()(*arguments, **options)

    @property
    def __signature__(self) -> Signature:
        """Parameters of the function, which help and completion in notebooks show."""
        return signature(_function())


def _function() -> Any:
    from wfc3tvb.survey.survey import survey

    return survey


sys.modules[__name__].__class__ = _CallablePackage
