"""World synchronisation: clocks, inputs, prediction, interpolation. Pure.

* `statesync.clock`: `ClockSync`, the server's clock as the client sees it
* `statesync.input_codec`: the bytes in which a client's inputs travel
* `statesync.inputs`: `InputSender`, the client's side of it
* `statesync.input_buffer`: `InputBuffer`, the server's jitter buffer
* `statesync.pace`: `TickPacer`, how far and how fast a client runs ahead
* `statesync.predict`: `Predictor`, prediction and reconciliation
* `statesync.blend`: `ErrorBlend`, corrections that the eye does not see
* `statesync.interpolate`: `InterpolationBuffer`, what others do, a little in the past
"""
