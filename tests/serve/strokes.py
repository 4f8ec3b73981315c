"""A digit's image as strokes of a pen: its lines thinned to one pixel, and walked along."""

import numpy as np

INK = 100  # levels of grey that are ink
RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # neighbours, clockwise


def neighbours(ink, pixel):
    return [bool(ink[pixel[0] + dy, pixel[1] + dx]) for dy, dx in RING]


def thinned(ink):
    """Lines one pixel wide where the ink is. Source: Zhang and Suen, A fast parallel algorithm …, 1984."""
    ink = np.pad(ink, 1)
    while True:
        before = ink.copy()
        for first in (True, False):
            gone = [pixel for pixel in map(tuple, np.argwhere(ink)) if removable(ink, pixel, first)]
            for pixel in gone:
                ink[pixel] = False
        if (ink == before).all():
            return ink[1:-1, 1:-1]


def removable(ink, pixel, first):
    """Whether a pixel of the edge may go: the line stays connected and no end of it is cut off."""
    ring = neighbours(ink, pixel)
    north, east, south, west = ring[0], ring[2], ring[4], ring[6]
    changes = sum(not a and b for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
    kept = (
        [(north, east, south), (east, south, west)] if first else [(north, east, west), (north, south, west)]
    )
    return 2 <= sum(ring) <= 6 and changes == 1 and not any(map(all, kept))


def strokes(image):
    """Lists of points (x, y), in pixels of the image: walks over the thinned lines until all are drawn."""
    left = {tuple(each) for each in np.argwhere(thinned(image > INK)).tolist()}
    everything, found = set(left), []
    while left:
        start = min(left, key=lambda pixel: (len(beside(pixel, left)), pixel))  # an end, if there is one
        walk = [*beside(start, everything - left)[:1], start]
        left.remove(start)
        while nexts := beside(walk[-1], left):
            ahead = (2 * walk[-1][0] - walk[-2][0], 2 * walk[-1][1] - walk[-2][1]) if walk[1:] else nexts[0]
            walk.append(
                min(nexts, key=lambda pixel: (abs(pixel[0] - ahead[0]) + abs(pixel[1] - ahead[1]), pixel))
            )
            left.remove(walk[-1])
        walk += [pixel for pixel in beside(walk[-1], everything) if pixel not in walk[-3:]][
            :1
        ]  # closes a loop
        points = smooth([(x + 0.5, y + 0.5) for y, x in walk])
        found.append([*points[:-1:2], points[-1]])
    return found


def smooth(points):
    """Each inner point as the mean of itself and its neighbours: lines of pixels have steps, pens none."""
    means = [np.mean(points[i - 1 : i + 2], axis=0).tolist() for i in range(1, len(points) - 1)]
    return [points[0], *map(tuple, means), *points[1:][-1:]]


def beside(pixel, pixels):
    return [each for dy, dx in RING if (each := (pixel[0] + dy, pixel[1] + dx)) in pixels]
