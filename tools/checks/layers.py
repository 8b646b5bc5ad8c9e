#!/usr/bin/env python3
"""R1, R2: who includes whom, foreign headers at home, private headers private, names unique."""
import pathlib

import tree


def include_breach(t, room, path, header):
    """What is wrong with this include, or None."""
    layers = t.layers
    if header.startswith("spec_"):  # made from spec/, below every floor
        return None
    for candidate in (t.src / header, path.parent / header):
        if candidate.exists():
            if candidate != t.src / header:
                return f'includes "{header}": write the path from src/'
            break
    else:
        homes = layers.homes(header)
        if homes is None:
            return f"includes {header}, which has no home in LAYERS"
        return None if tree.covered(room, homes) else f"includes {header}, at home in {' '.join(homes)}"
    other = t.room_of(header)
    if other is None:
        return f"includes {header}, which belongs to no room"
    if not layers.may_see(room, other):
        return f"includes {header}: {room} may not see {other}"
    if header.endswith("_int.h") and other != room:
        return f"includes {header}, which is private to {other}"
    return None


def check(root):
    t = tree.Tree(root)
    breaches = list(t.layers.breaches)
    seen = {}
    for path in t.files(".c", ".h", ".def"):
        inside = str(path.relative_to(t.src))
        room = t.room_of(inside)
        if room is None:
            breaches.append(f"{t.name(path)}: its folder is not in LAYERS")
            continue
        if path.name == "main.c":
            if not room.startswith("prog/"):
                breaches.append(f"{t.name(path)}: main.c outside prog/")
        elif path.name in seen:
            breaches.append(f"{t.name(path)}: the name is taken by {seen[path.name]}")
        seen[path.name] = t.name(path)
        for number, header in tree.includes(path):
            breach = include_breach(t, room, pathlib.Path(path), header)
            if breach:
                breaches.append(f"{t.name(path)}:{number}: {breach}")
    return breaches


if __name__ == "__main__":
    tree.main(check)
