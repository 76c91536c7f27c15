"""Vision models: arrays in, results out. Knows nothing of ``edge`` or ``drivers``.

results    plain results            errors     what goes wrong
runtime    the only importer of onnxruntime
manifest   what weights there are, and whether they are the right ones
published  weights of others; fetching brings them here
face       find, align, describe, compare
plate      find, read, decode under the grammar, match
weights    our own small networks, as data
training   how they were made; nothing but the demo and the tests imports it
"""
