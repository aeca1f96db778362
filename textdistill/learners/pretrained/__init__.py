"""What comes with weights: files from packages, folders and the hub, encoders and language models."""
