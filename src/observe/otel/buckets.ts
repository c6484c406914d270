// A number and its bits. All runtimes are little-endian: the upper half comes second.
const double = new Float64Array(1), words = new Uint32Array(double.buffer);
/** The bits below the exponent and the two first of the fraction, in the upper half. */
const BELOW = 18;

/** The exponent of a number from 0, and two bits of its fraction: greater for greater numbers. */
function magnitudeOf(value: number): number {
  double[0] = value;
  return words[1]! >>> BELOW;
}

/** The smallest number of a magnitude. */
function leastOf(magnitude: number): number {
  words[0] = 0;
  words[1] = magnitude << BELOW;
  return double[0]!;
}

const known = new WeakMap<readonly number[], Buckets>();

/** Finds the bucket of a number by its magnitude, with a look at one or two boundaries instead of a search. */
export class Buckets {
  readonly boundaries: Float64Array;
  /** The least magnitude in the table. */
  private readonly least: number;
  /** By magnitude: the first bucket that may be the one. */
  private readonly first: Uint8Array;

  private constructor(boundaries: readonly number[]) {
    this.boundaries = new Float64Array(boundaries);
    this.least = magnitudeOf(boundaries.find((boundary) => boundary > 0) ?? 1);
    const most = magnitudeOf(Math.max(1, ...boundaries)) + 1;
    this.first = Uint8Array.from({ length: Math.max(1, most - this.least + 1) }, (_, i) => {
      const from = leastOf(this.least + i), index = boundaries.findIndex((boundary) => boundary >= from);
      return i === 0 ? 0 : index < 0 ? boundaries.length : index;
    });
  }

  /** The buckets with these boundaries, at most 255, in ascending order from 0. */
  static of(boundaries: readonly number[]): Buckets {
    let buckets = known.get(boundaries);
    if (buckets === undefined) known.set(boundaries, buckets = new Buckets(boundaries));
    return buckets;
  }

  /** The index of the first boundary that is not below the value, which is at least 0. */
  indexOf(value: number): number {
    const { boundaries, first, least } = this;
    const at = magnitudeOf(value) - least;
    let index = at <= 0 ? 0 : at < first.length ? first[at]! : boundaries.length;
    while (index < boundaries.length && boundaries[index]! < value) index++;
    return index;
  }
}
