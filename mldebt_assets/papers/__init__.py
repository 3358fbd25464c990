"""The papers of a champion: model card, data sheet and bill of materials, made from the graph.

``dossier`` gathers the facts; each paper is a pure function of them, so that equal facts give equal
bytes; ``stage`` stores them, and ``bundle`` puts the evidence beside them.
"""
