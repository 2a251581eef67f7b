"""How many examples are drawn: few in `make test`, many in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

COMMON = {
    "deadline": None,  # a first call compiles or imports
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
}
#: A failing case is shown as it was drawn: making it smaller takes minutes where an example is slow.
QUICK = (Phase.explicit, Phase.generate)
settings.register_profile(
    "short", max_examples=25, derandomize="CI" in os.environ, database=None, phases=QUICK, **COMMON
)
settings.register_profile("long", max_examples=2000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
