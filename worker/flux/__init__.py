"""What processes share that read events of Flux."""
