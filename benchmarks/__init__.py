"""Speed and frugality, each as a ratio within one run."""
