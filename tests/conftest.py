import jax

# Eight fake devices, so that every test of sharding runs anywhere.
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
