"""Distilled sets in the making: tensors, and how they are initialised and projected."""
