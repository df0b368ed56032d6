"""A run that is saved, resumed and logged: to TensorBoard, to Weights & Biases, or to a file of one's own."""
