"""Synthetic plates, pictures and films of lanes, and the training of our own plate networks.

Nothing at run time imports this package, except that the demo draws its lane film with it, without torch.

Drawing (numpy and OpenCV): `glyphs` and `glyph_strokes` (letter shapes) -> `plates` (clean flat plate) ->
`weather` (dirt, light, lens, sensor) -> `crops` (what the reader sees) and `scenes` (what the detector sees).
`scenery` (camera and lane), `car` and `film` (lane film with ground truth). `real`: labelled photographs.

Learning (extra ``train``): `nets`, `run` (budget, checkpoints), `reader`, `detector`, `export`. `cli` is the
command.
"""
