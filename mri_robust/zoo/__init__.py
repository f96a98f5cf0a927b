"""One file a trained model; each defines `recipe(setting)`, what decides its weights under either protocol."""
