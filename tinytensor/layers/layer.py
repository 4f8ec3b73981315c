"""`Layer`: the one abstract idea, a function from a Tensor to a Tensor."""
