#!/usr/bin/env python3
"""A wire of packets between two network interfaces, with a delay and losses, for kernels that have no tc netem.

Usage: wire.py ONE OTHER DELAY_MS LOSS_PERCENT. Ends when its standard input does. The losses are the same in every run.
"""
import collections
import random
import selectors
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_VNET_HDR = 15  # each packet with what its sender left to the device: checksums, cutting into segments
PACKET_IGNORE_OUTGOING = 23
PACKET_BYTES_MAX = 70_000
WAITING_MAX = 20_000  # in one direction; more are lost, as in netem
PACKETS_PER_LOOK = 64


class Direction:
    def __init__(self, come, go):
        self.come = come
        self.go = go
        self.waiting = collections.deque()  # (when it is due, its bytes)


def open_interface(name):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    packets.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    packets.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    packets.bind((name, ETH_P_ALL))
    return packets


def take(direction, delay_seconds, loss, chance):
    for _ in range(PACKETS_PER_LOOK):
        try:
            packet = direction.come.recv(PACKET_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            return  # the interface is down
        if chance.random() >= loss and len(direction.waiting) < WAITING_MAX:
            direction.waiting.append((time.monotonic() + delay_seconds, packet))


def give(direction):
    """Seconds until there is more to give, or None."""
    while direction.waiting:
        due, packet = direction.waiting[0]
        if due > time.monotonic():
            return due - time.monotonic()
        direction.waiting.popleft()
        try:
            direction.go.send(packet)
        except OSError:
            pass  # full or down: lost
    return None


def main():
    one, other = map(open_interface, sys.argv[1:3])
    delay_seconds, loss = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100
    chance = random.Random(1)
    directions = [Direction(one, other), Direction(other, one)]
    selector = selectors.DefaultSelector()
    for direction in directions:
        selector.register(direction.come, selectors.EVENT_READ, direction)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        waits = [wait for wait in map(give, directions) if wait is not None]
        for key, _ in selector.select(min(waits) if waits else None):
            if key.data is None:
                return
            take(key.data, delay_seconds, loss, chance)


if __name__ == "__main__":
    main()
