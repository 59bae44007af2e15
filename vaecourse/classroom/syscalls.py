"""What the jail may not ask of the kernel: a seccomp filter, as a small program of the kernel's packet filter.

Namespaces already leave these calls without effect, or nearly; without them there is less of the kernel to attack, and
what is not divided into namespaces (key rings, performance counters) is closed too.
"""

import platform
import struct

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NEW = {  # the same number everywhere
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_getfd": 438,
    "mount_setattr": 442, "quotactl_fd": 443,
}  # fmt: skip
CLOSED = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "syslog": 103,
        "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
        "mount": 165, "umount2": 166, "pivot_root": 155, "unshare": 272, "setns": 308, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "kexec_load": 246, "init_module": 175, "finit_module": 313, "delete_module": 176,
        "quotactl": 179, "reboot": 169, "swapon": 167, "acct": 163, "vhangup": 153, **NEW,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "syslog": 116,
        "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97, "setns": 268, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "kexec_load": 104, "init_module": 105, "finit_module": 273, "delete_module": 106,
        "quotactl": 60, "reboot": 142, "swapon": 224, "acct": 89, "vhangup": 58, **NEW,
    },
}  # fmt: skip
# Changing what belongs to the user, which is harmless unless the user is root outside: then the devices are his.
NEW_ATTRIBUTES = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469}
ATTRIBUTES = {
    "x86_64": {
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280, "setxattr": 188, "lsetxattr": 189,
        "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, **NEW_ATTRIBUTES,
    },
    "aarch64": {
        "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "utimensat": 88, "setxattr": 5, "lsetxattr": 6,
        "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, **NEW_ATTRIBUTES,
    },
}  # fmt: skip

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, REFUSE, PRETEND = (
    0x7FFF0000,
    0x80000000,
    0x00050000 | 1,
    0x00050000,
)  # EPERM; return 0, do nothing
X32 = 0x40000000  # another set of numbers for the same calls, on x86_64


def known() -> bool:
    """Is there a filter for this machine?"""
    return platform.machine() in ARCHITECTURES


def filter(attributes: bool) -> bytes:
    """The filter for this machine; with `attributes`, changing modes, owners and times does nothing."""
    machine = platform.machine()
    closed = dict.fromkeys(CLOSED[machine].values(), REFUSE)
    if attributes:
        closed |= dict.fromkeys(ATTRIBUTES[machine].values(), PRETEND)
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURES[machine]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if machine == "x86_64":
        steps += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE)]
    for number, then in closed.items():
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, then)]
    steps += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
