import os
import pathlib

# Most of the time of these tests is compilation, and many compile the same. Set for the
# processes that tests start too, which else would use the user's own cache.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    pathlib.Path(__file__).parents[1] / ".pytest_cache/compilations"
)
# Tests run a program once or twice: what LLVM's passes take, they do not give back.
# Set before jax is imported, and inherited by the processes that tests start.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
)

import jax

# Eight fake devices, so that every test of sharding runs anywhere.
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
