"""Finds the places of frames that a damaged video does not give."""

import heapq
import math

import av

_MAX_OVERHEAD = 256
"""Bytes that a sound container puts between two packets at most."""

_JUMP_S = 1.0
"""By how much times have to go back where two videos were put together."""


class JoinedTimes:
    """Makes the times of a stream go on where they jump back.

    So they do where files were put together byte by byte (``cat a.ts b.ts``), and where a
    recorder began anew.

    Attributes:
        has_jumped: Whether times jumped back so far.
    """

    def __init__(self) -> None:
        self.has_jumped = False
        self._shift = 0
        self._end: int | None = None

    def correct(self, packet: av.Packet) -> None:
        """Change the times of the next packet of the stream.

        Only a key frame begins a part: times that are wrong by damage are left alone.
        """
        if packet.dts is None or not packet.time_base:
            return
        if self._end is not None and packet.is_keyframe:
            back = self._end - packet.dts - self._shift
            if back * packet.time_base > _JUMP_S:
                self.has_jumped = True
                self._shift += back
        packet.dts += self._shift
        self._end = packet.dts + (packet.duration or 0)
        if packet.pts is not None:
            packet.pts += self._shift


class Timeline:
    """The times at which a video should show a frame, known from its packets.

    A damaged video lacks frames in two ways. A packet may be there, with its time, but
    decode to nothing; this counts only where the decoder has met damage, since sound
    videos have packets that show nothing as well. Or the packet is lost with the bytes
    around it; this shows as a hole in the times where there is also one in the bytes.

    Times are in the units of the stream.

    Args:
        stream: Of the video.

    Attributes:
        num_packets: Packets of the video so far.
        num_lost: Packets that were lost, as far as their times tell.
        has_hole: Whether bytes of the file belong to no packet.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        rate, unit = stream.guessed_rate or stream.average_rate, stream.time_base
        self._interval = 1 / (rate * unit) if rate and unit else None
        self._hides_frames = stream.codec_context.name in ('vp8', 'libvpx')
        self.num_packets = self.num_lost = 0
        self.has_hole = False
        self._pending: list[int] = []
        self._damaged_until: int | None = None
        self._holes: list[tuple[float, int]] = []
        self._at_hole = False
        self._bytes_end = 0
        self._newest_pts = 0
        self._last_pts = -math.inf
        self._told: list[int] = []

    def add_bytes(self, packet: av.Packet) -> None:
        """Note where a packet of any stream lies in a file that keeps their order."""
        if packet.pos is None or packet.pos < 0:
            return
        if 0 < self._bytes_end < packet.pos - _MAX_OVERHEAD:
            self._at_hole = self.has_hole = True
        self._bytes_end = max(self._bytes_end, packet.pos + packet.size)

    def add_packet(self, packet: av.Packet) -> None:
        """Note a packet of the video, before it is decoded."""
        self.num_packets += 1
        if packet.pts is None:
            return
        self._newest_pts = max(self._newest_pts, packet.pts)
        if self._at_hole or packet.is_corrupt:
            self._holes.append((self._last_pts, self._newest_pts))
        self._at_hole = packet.is_corrupt
        if packet.is_corrupt:
            self.add_damage()
        # The lowest bit but four of a VP8 packet says whether it shows a frame.
        hidden = self._hides_frames and not memoryview(packet)[0] & 0x10
        if not packet.is_discard and not hidden:
            heapq.heappush(self._pending, packet.pts)

    def add_damage(self) -> None:
        """Note that the newest packet cannot be decoded."""
        self._damaged_until = self._newest_pts

    def add_frame(self, frame: av.VideoFrame) -> list[int] | None:
        """Note a decoded frame.

        Returns:
            list[int] | None: The times before it at which a frame is missing; None for a
            frame that comes too late, since it was told to be missing: after damage some
            decoders give frames out of order.
        """
        if frame.pts is None:
            return []
        if self._was_told(frame.pts):
            return None
        missing = self._pop_pending(frame.pts)
        if frame.is_corrupt:
            self.add_damage()
        # Two packets may be the two fields of one frame.
        if self._damaged_until is None or frame.interlaced_frame:
            missing = []
        elif frame.key_frame and frame.pts > self._damaged_until:
            self._damaged_until = None
        missing = self._fill(missing, frame.pts)
        self._told = missing or self._told
        self._last_pts = max(self._last_pts, frame.pts)
        self._holes = [hole for hole in self._holes if hole[1] > frame.pts]
        return missing

    def _was_told(self, pts: int) -> bool:
        """Whether a frame was told to be missing at this time."""
        near = float(self._interval or 2) / 2
        return pts < self._last_pts and any(abs(pts - time) < near for time in self._told)

    def end(self) -> list[int]:
        """The times after the last frame at which one is missing."""
        missing = self._pop_pending(None)
        return [] if self._damaged_until is None else missing

    def _pop_pending(self, pts: int | None) -> list[int]:
        """Take out the packets up to a time; those before it gave no frame."""
        times = []
        while self._pending and (pts is None or self._pending[0] <= pts):
            times.append(heapq.heappop(self._pending))
        return [time for time in times if time != pts]

    def _fill(self, missing: list[int], pts: int) -> list[int]:
        """Add the times of lost packets."""
        if not self._holes or self._interval is None or math.isinf(self._last_pts):
            return missing
        filled: list[int] = []
        for start, stop in zip([self._last_pts, *missing], [*missing, pts], strict=True):
            if any(start < end and stop > begin for begin, end in self._holes):
                count = max(round((stop - start) / self._interval) - 1, 0)
                step = (stop - start) / (count + 1)
                filled += [round(start + k * step) for k in range(1, count + 1)]
                self.num_lost += count
            filled.append(stop)
        return filled[:-1]
