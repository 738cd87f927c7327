/**
 * What a part of a drawing is; the style decides how that is painted. `light` is paper, glass or a label on something
 * else. `line` is a stroke that belongs to the shape, `detail` one that only rich styles draw.
 */
export type Role = 'main' | 'second' | 'accent' | 'light' | 'line' | 'detail';

/** A shape on a canvas of 100 × 100, of which the middle 72 are used. */
export interface Part {
  readonly role: Role;
  /** Path data as of SVG. */
  readonly d: string;
  /** Degrees clockwise around a point. */
  readonly turn?: readonly [degrees: number, x: number, y: number];
}

/** What stands for a category, from back to front. */
export type Glyph = readonly Part[];

/** A rectangle; `r` rounds its corners. */
export function rect(x: number, y: number, width: number, height: number, r = 0): string {
  const [w, h] = [width - 2 * r, height - 2 * r];
  const corner = (dx: number, dy: number) => (r === 0 ? '' : `a${r} ${r} 0 0 1 ${dx} ${dy}`);
  return `M${x + r} ${y}h${w}${corner(r, r)}v${h}${corner(-r, r)}h${-w}${corner(-r, -r)}v${-h}${corner(r, -r)}z`;
}

export function circle(x: number, y: number, r: number): string {
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

/** A circle with a hole; parts are filled by the even-odd rule. */
export function annulus(x: number, y: number, outer: number, inner: number): string {
  return circle(x, y, outer) + circle(x, y, inner);
}

/** @param points - x and y in turn */
export function polygon(...points: readonly number[]): string {
  const pairs = points.flatMap((x, index) => (index % 2 === 0 ? [`${x} ${points[index + 1] ?? 0}`] : []));
  return `M${pairs.join('L')}z`;
}

/** A star with straight rays; many short ones make a cog. */
export function star(x: number, y: number, rays: number, outer: number, inner: number): string {
  const corners = Array.from({ length: 2 * rays }, (_, index) => {
    const radius = index % 2 === 0 ? outer : inner;
    const angle = (Math.PI * index) / rays - Math.PI / 2;
    return [round(x + radius * Math.cos(angle)), round(y + radius * Math.sin(angle))];
  });
  return polygon(...corners.flat());
}

/** A cog wheel with a hole. */
export function cog(x: number, y: number, r: number): string {
  const teeth = 8;
  const corners = Array.from({ length: 4 * teeth }, (_, index) => {
    const radius = index % 4 < 2 ? r : 0.76 * r;
    const angle = (Math.PI * 2 * (index - 0.5)) / (4 * teeth);
    return [round(x + radius * Math.cos(angle)), round(y + radius * Math.sin(angle))];
  });
  return polygon(...corners.flat()) + circle(x, y, round(0.34 * r));
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
