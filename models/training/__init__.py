"""Synthetic plates, pictures and films of lanes, and the training of our own plate networks.

Nothing at run time imports this package (the demo draws its film with it; it needs no torch for that).

Map: `glyphs` (own glyph shapes: how glyphs.npz is made, and reading it), `plates` (a clean flat plate of any
    kind), `scenery` (pinhole camera, the lane without cars), `car` (a drawn car front), `film` (lane film
    with ground truth).
"""
