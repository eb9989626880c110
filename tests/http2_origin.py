"""An origin that speaks HTTP/2 alone: ``GET /bytes/N`` on as many streams at once as a client opens."""

import asyncio
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamReset


class Http2Origin:
    """Makes the protocol of each connection, and knows how many streams were open at once on one of them."""

    def __init__(self) -> None:
        self.connections = 0
        self.most_streams = 0

    def protocol(self) -> asyncio.Protocol:
        """Return what serves a new connection."""
        self.connections += 1
        return _Line(self)


class _Line(asyncio.Protocol):
    def __init__(self, origin: Http2Origin) -> None:
        self._origin = origin
        self._speech = H2Connection(H2Configuration(client_side=False))
        self._left_bytes: dict[int, int] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._speech.initiate_connection()
        self._say()

    def data_received(self, data: bytes) -> None:
        for event in self._speech.receive_data(data):
            self._heed(event)
        self._origin.most_streams = max(self._origin.most_streams, len(self._left_bytes))
        while self._send_round():
            pass
        self._say()

    def _heed(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers):
                path = dict(headers)[b":path"].decode()
                self._left_bytes[stream] = int(path.rpartition("/")[2])
                self._speech.send_headers(stream, [(":status", "200")])
            case StreamReset(stream_id=int(stream)):
                self._left_bytes.pop(stream, None)
            case DataReceived(stream_id=int(stream), flow_controlled_length=int(length)):
                self._speech.acknowledge_received_data(length, stream)

    def _send_round(self) -> bool:
        """Send a frame on each stream whose window is open; return whether any went."""
        any_sent = False
        for stream, left in list(self._left_bytes.items()):
            window = self._speech.local_flow_control_window(stream)
            count = min(left, window, self._speech.max_outbound_frame_size)
            if left and not count:
                continue
            self._speech.send_data(stream, b"2" * count, end_stream=count == left)
            any_sent = True
            if count == left:
                del self._left_bytes[stream]
            else:
                self._left_bytes[stream] = left - count
        return any_sent

    def _say(self) -> None:
        if self._transport is not None:
            self._transport.write(self._speech.data_to_send())
