"""A machine behind a tap: has it open once or several times, and answers who asks for its address, and its ping.

guest.py DEVICE TAP ADDRESS QUEUES: prints what came of opening each queue, and answers until it is killed.
"""
import errno
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100
MAC = bytes.fromhex("0200000000ee")

device, tap, address, queues = sys.argv[1:]
own = socket.inet_aton(address)


def open_queue(flags):
    queue = os.open(device, os.O_RDWR)
    fcntl.ioctl(queue, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI | flags))
    return queue


def answer(frame):
    """The answer to an ARP request or an echo request of ours."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and frame[20:22] == b"\x00\x01" and frame[38:42] == own:
        return frame[6:12] + MAC + frame[12:20] + b"\x00\x02" + MAC + own + frame[22:32]
    if kind == b"\x08\x00" and frame[23] == 1 and frame[30:34] == own and frame[34] == 8:
        checksum = struct.unpack("!H", frame[36:38])[0] + 0x0800
        checksum = struct.pack("!H", (checksum & 0xFFFF) + (checksum >> 16))
        ip = frame[14:26] + frame[30:34] + frame[26:30]
        return frame[6:12] + MAC + frame[12:14] + ip + b"\x00\x00" + checksum + frame[38:]
    return None


opened = []
for _ in range(int(queues)):
    try:
        opened.append(open_queue(0 if queues == "1" else IFF_MULTI_QUEUE))
        print("opened", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
while opened:
    for queue in select.select(opened, [], [])[0]:
        reply = answer(os.read(queue, 65536))
        if reply:
            os.write(queue, reply)
