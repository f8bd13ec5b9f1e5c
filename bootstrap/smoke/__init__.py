"""Applications run and are reachable: shown with a small one, through the very APIs that its developers use.

`sample` says what is deployed and where it answers, `marathon` and `edge` speak to the two sides, `proof` is the
sequence.
"""
