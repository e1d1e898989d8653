"""What all engines on onnxruntime share."""
