#!/usr/bin/env python3
"""Tell how a restored tree differs from its source: content by SHA-256, and everything else an entry has.

compare.py SOURCE RESTORED
"""
import hashlib
import os
import stat
import sys

BLOCK = 1 << 20
DIFFERENCES_MAX = 20


def entries(root):
    """Paths below the root, folders included, in byte order."""
    found = []
    for top, folders, files in os.walk(os.fsencode(root)):
        inside = os.path.relpath(top, os.fsencode(root))
        found += [os.path.normpath(os.path.join(inside, name)) for name in folders + files]
    return sorted(found)


def digest(path):
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def attributes(path):
    return {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)}


def describe(path):
    """Everything about an entry but its content."""
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    about = {"kind": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid,
             "mtime": st.st_mtime_ns, "attributes": attributes(path)}
    if kind == stat.S_IFLNK:
        about["target"] = os.readlink(path)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        about["device"] = st.st_rdev
    if kind == stat.S_IFREG:
        about["size"], about["links"] = st.st_size, st.st_nlink
    return about


def differences(source, restored, links=True):
    """Yield a line for each difference; stops after DIFFERENCES_MAX."""
    source, restored = os.fsencode(source), os.fsencode(restored)
    ours, theirs = entries(source), entries(restored)
    found = [f"missing: {os.fsdecode(path)}" for path in sorted(set(ours) - set(theirs))]
    found += [f"extra: {os.fsdecode(path)}" for path in sorted(set(theirs) - set(ours))]
    common = set(theirs)
    for path in ours:
        if len(found) >= DIFFERENCES_MAX:
            break
        if path not in common:
            continue
        a, b = os.path.join(source, path), os.path.join(restored, path)
        before, after = describe(a), describe(b)
        if not links:
            before.pop("links", None), after.pop("links", None)
        found += [f"{os.fsdecode(path)}: {key} {before.get(key)} became {after.get(key)}" for key in before
                  if before[key] != after.get(key)]
        if before["kind"] == stat.S_IFREG and before["size"] == after.get("size") and digest(a) != digest(b):
            found.append(f"{os.fsdecode(path)}: content differs")
    return found[:DIFFERENCES_MAX]


if __name__ == "__main__":
    lines = differences(sys.argv[1], sys.argv[2])
    print("\n".join(lines) if lines else "identical")
    sys.exit(1 if lines else 0)
