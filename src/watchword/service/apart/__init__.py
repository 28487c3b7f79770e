"""Two processes: the gate, which reads packets and may do nothing, and the hand, which does it.

Begin with ``parting``, which parts them. What each side has of the other: ``line``, ``far`` and
``far_ways`` in the gate, ``counter``, ``ways``, ``workshop`` and ``relay`` in the hand. What may
pass is in model.orders.
"""
