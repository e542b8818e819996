"""`respsweep cluster watch`."""

from __future__ import annotations

from sweep.commands.console import say


def watch() -> None:
    """Wait, on a spot machine of AWS or GCP, until it is to be taken back; then let its units save and move."""
    from sweep.execution.drain import drain_this_node
    from sweep.execution.spot_notice import await_notice, cloud_here, sole_watcher

    with sole_watcher():
        cloud = cloud_here()
        say(f"waiting for {cloud.name} to take this machine back")
        notice = await_notice(cloud)
        address = drain_this_node(notice.seconds, notice.why, insist=True)
    say(f"{notice.why}; {address} is drained")
