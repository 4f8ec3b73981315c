"""The page on which digits are drawn: `reader` computes, `app` answers requests, `guard` refuses them."""
