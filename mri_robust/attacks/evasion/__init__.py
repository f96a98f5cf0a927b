"""One file an attack on a trained model's input; each defines `ATTACK`, a frozen dataclass."""
