"""What every clock keeps."""

from __future__ import annotations

from watchword.ports import Clock


class ClockContract:
    """Subclasses say which clock."""

    def make(self) -> Clock:
        raise NotImplementedError

    def test_the_steady_clock_never_goes_back(self) -> None:
        clock = self.make()
        moments = [clock.now().steady for _ in range(100)]
        assert moments == sorted(moments)

    def test_both_readings_are_seconds(self) -> None:
        now = self.make().now()
        assert now.wall > 1_500_000_000
        assert 0 <= now.steady < 10**9
