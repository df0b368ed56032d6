"""What regularization costs on this machine, beside a plain copy and beside the peers."""
