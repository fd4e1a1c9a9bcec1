"""The methods that train an encoder, without the reference rows."""

from care_bench.config import METHOD_SETTINGS

TRAINED = tuple(name for name, entry in METHOD_SETTINGS.data.items() if entry.reference is None)
