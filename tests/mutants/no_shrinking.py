"""A pytest plugin: a property that fails is not shrunk, which may take minutes.

Of a mutant it is enough to know that its tests fail.
"""

from hypothesis import Phase, settings

settings.register_profile(
    "no-shrinking", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("no-shrinking")
