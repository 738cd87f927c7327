import type { IconStyle } from '../../../domain/icons/styles.ts';
import { annulus, circle, type Glyph, type Part, rect, round, star } from './drawing.ts';
import { isStroke, paint, scaled } from './paint.ts';
import { colorOf, darker, lighter, mix, type Palette } from './palettes.ts';
import { tileShape, type Variant } from './variant.ts';

/** A style's drawing: what is behind it over the whole image, and the rest on the canvas of 100 × 100. */
export interface Drawing {
  /** A colour. */
  readonly ground: string;
  readonly definitions?: string;
  readonly content: string;
}

type Style = (glyph: Glyph, palette: Palette, variant: Variant) => Drawing;

/** How each style paints a glyph. */
export const STYLE_PAINTERS: Readonly<Record<IconStyle, Style>> = {
  /** Thin lines on white, one of them in colour. */
  minimal(glyph, palette, variant) {
    const strokes = glyph
      .filter(({ role }) => role !== 'detail')
      .map((part) =>
        paint(part, {
          fill: isStroke(part) ? 'none' : '#ffffff',
          stroke:
            part.role === 'accent'
              ? darker(palette.accent, 0.08)
              : colorOf({ ...palette, light: palette.ink, second: palette.ink }, part.role),
          width: 2.4,
        }),
      );
    return { ground: '#ffffff', content: scaled(variant.place(strokes.join('')), 0.74) };
  },

  /** Outlines, fills, shading and every detail, on a bright disc. */
  detailed(glyph, palette, variant) {
    const parts = glyph.map((part) => {
      if (isStroke(part)) {
        return paint(part, { stroke: palette.ink, width: part.role === 'detail' ? 1.2 : 2 });
      }
      const color = colorOf(palette, part.role);
      return (
        paint(part, { fill: color, stroke: palette.ink, width: 2 }) +
        paint(part, { fill: 'url(#hatch)', opacity: part.role === 'light' ? 0.35 : 0.55 })
      );
    });
    const rays = Array.from({ length: 24 }, (_, index) => {
      const angle = (Math.PI * index) / 12;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      return `M${round(50 + 44 * cos)} ${round(50 + 44 * sin)}L${round(50 + 46.5 * cos)} ${round(50 + 46.5 * sin)}`;
    });
    const disc =
      paint(
        { role: 'light', d: circle(50, 50, 42) },
        { fill: lighter(palette.tile, 0.55), stroke: palette.ink, width: 0.9 },
      ) +
      paint({ role: 'line', d: rays.join('') }, { stroke: mix(palette.ink, palette.tile, 0.4), width: 0.9 });
    return {
      ground: palette.paper,
      definitions: `<pattern id="hatch" width="3" height="3" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.500" height="3" fill="${palette.ink}" opacity="0.16"/></pattern>`,
      content: disc + scaled(variant.place(parts.join('')), 0.68),
    };
  },

  /** Solid areas on a coloured tile, with a long shadow. */
  flat(glyph, palette, variant) {
    const areas = glyph.filter((part) => part.role !== 'detail');
    const solid = areas.map((part) =>
      isStroke(part)
        ? paint(part, { stroke: palette.ink, width: 2.6 })
        : paint(part, { fill: colorOf(palette, part.role) }),
    );
    const shape = areas.map((part) =>
      isStroke(part) ? paint(part, { stroke: '#000', width: 2.6 }) : paint(part, { fill: '#000' }),
    );
    const copies = Array.from(
      { length: 40 },
      (_, index) => `<use href="#shape" transform="translate(${1.2 * (index + 1)} ${1.2 * (index + 1)})"/>`,
    );
    const tile = tileShape(variant.tile);
    const shade = darker(palette.tile, 0.16);
    return {
      ground: '#ffffff',
      definitions:
        `<clipPath id="tile"><path d="${tile}"/></clipPath><g id="shape">${scaled(variant.place(shape.join('')), 0.66)}</g>` +
        `<filter id="shade" x="-50%" y="-50%" width="250%" height="250%"><feFlood flood-color="${shade}"/><feComposite in2="SourceGraphic" operator="in"/></filter>`,
      content:
        `<path d="${tile}" fill="${palette.tile}"/>` +
        `<g clip-path="url(#tile)"><g filter="url(#shade)">${copies.join('')}</g></g>` +
        scaled(variant.place(solid.join('')), 0.66),
    };
  },

  /** Bright shapes with soft depth on a gradient. */
  modern(glyph, palette, variant) {
    const fills: Readonly<Record<Part['role'], string>> = {
      main: 'url(#bright)',
      second: lighter(palette.tile, 0.25),
      accent: 'url(#accent)',
      light: mix(palette.main, palette.second, 0.35),
      line: mix(palette.main, palette.second, 0.35),
      detail: 'none',
    };
    const parts = glyph
      .filter(({ role }) => role !== 'detail')
      .map((part) =>
        isStroke(part)
          ? paint(part, { stroke: glyph[0] === part ? '#ffffff' : fills.line, width: 2.6 })
          : paint(part, { fill: fills[part.role] }),
      );
    const tile = tileShape(variant.tile);
    return {
      ground: '#ffffff',
      definitions:
        gradient('back', lighter(palette.main, 0.12), palette.second, variant.lightFromLeft) +
        gradient('bright', '#ffffff', lighter(palette.tile, 0.55), true) +
        gradient('accent', lighter(palette.accent, 0.25), palette.accent, true) +
        blur('soft', 2) +
        `<clipPath id="tile"><path d="${tile}"/></clipPath>`,
      content:
        `<path d="${tile}" fill="url(#back)"/>` +
        `<g clip-path="url(#tile)"><circle cx="${variant.lightFromLeft ? 18 : 82}" cy="12" r="40" fill="#ffffff" opacity="0.1"/>` +
        `<circle cx="${variant.lightFromLeft ? 84 : 16}" cy="92" r="30" fill="${palette.accent}" opacity="0.16"/></g>` +
        `<g filter="url(#soft)" opacity="0.32">${scaled(silhouette(glyph, variant, darker(palette.second, 0.55)), 0.62, 0, 3)}</g>` +
        scaled(variant.place(parts.join('')), 0.62),
    };
  },

  /** An engraved badge on old paper. */
  vintage(glyph, palette, variant) {
    const old = (color: string) => mix(mix(color, '#8a5a2b', 0.42), '#e9d8b4', 0.12);
    const sepia = mix(palette.ink, '#4a2c12', 0.6);
    const parts = glyph.map((part) => {
      if (isStroke(part)) return paint(part, { stroke: sepia, width: part.role === 'detail' ? 1.2 : 2 });
      return (
        paint(part, { fill: part.role === 'light' ? '#f3e6c8' : old(colorOf(palette, part.role)) }) +
        paint(part, { fill: 'url(#engraved)', stroke: sepia, width: 1.6 })
      );
    });
    const stars = [-1, 1].map((side) =>
      paint({ role: 'main', d: star(50 + 38.5 * side, 50, 5, 3, 1.2) }, { fill: sepia }),
    );
    const seal = Array.from({ length: 60 }, (_, index) => {
      const angle = (Math.PI * index) / 30;
      return circle(round(50 + 45.5 * Math.cos(angle)), round(50 + 45.5 * Math.sin(angle)), 0.7);
    });
    return {
      ground: mix('#ecdcb8', palette.tile, 0.12),
      definitions: `<pattern id="engraved" width="10" height="1.8" patternUnits="userSpaceOnUse" patternTransform="rotate(${variant.engraving})"><rect width="10" height="0.6" fill="${sepia}" opacity="0.34"/></pattern>`,
      content:
        paint({ role: 'main', d: circle(50, 50, 43) }, { fill: '#f6ead0', stroke: sepia, width: 1.4 }) +
        paint({ role: 'main', d: annulus(50, 50, 41, 35) }, { fill: old(palette.tileDark), opacity: 0.5 }) +
        paint({ role: 'main', d: circle(50, 50, 35) }, { stroke: sepia, width: 0.8 }) +
        paint({ role: 'main', d: seal.join('') }, { fill: sepia, opacity: 0.75 }) +
        stars.join('') +
        scaled(variant.place(parts.join('')), 0.52),
    };
  },

  /** Overlapping geometry, with the shape several times in it. */
  abstract(glyph, palette, variant) {
    const [a, b, c] = variant.angles;
    const at = (angle: number, radius: number) =>
      [round(50 + radius * Math.cos(angle)), round(50 + radius * Math.sin(angle))] as const;
    const [x1, y1] = at(a, 17);
    const [x2, y2] = at(b, 20);
    const [x3, y3] = at(c, 22);
    const geometry = [
      paint({ role: 'main', d: circle(x1, y1, 29) }, { fill: palette.tile, opacity: 0.95 }),
      paint(
        { role: 'main', d: rect(x2 - 22, y2 - 22, 44, 44), turn: [round((b * 180) / Math.PI), x2, y2] },
        { fill: palette.accent, opacity: 0.75 },
      ),
      paint({ role: 'main', d: star(x3, y3, 3, 30, 15) }, { fill: palette.main, opacity: 0.5 }),
    ];
    const shifted = (color: string, x: number, y: number, opacity: number) =>
      `<g opacity="${opacity}">${scaled(silhouette(glyph, variant, color), 0.66, x, y)}</g>`;
    const cuts = glyph.filter(({ role }) => role === 'light' || role === 'accent' || role === 'line');
    return {
      ground: palette.paper,
      content:
        geometry.join('') +
        shifted(palette.accent, -5, -3, 0.75) +
        shifted(palette.main, 4, 3, 0.75) +
        shifted(palette.second, 0, 0, 0.9) +
        scaled(
          variant.place(
            cuts
              .map((part) =>
                isStroke(part)
                  ? paint(part, { stroke: palette.tile, width: 1.6 })
                  : paint(part, { fill: part.role === 'light' ? palette.paper : palette.accent }),
              )
              .join(''),
          ),
          0.66,
        ),
    };
  },

  /** Lit bodies with highlights, and a shadow on the ground. */
  realistic(glyph, palette, variant) {
    const tones = [...new Set(glyph.filter((part) => !isStroke(part)).map(({ role }) => role))];
    const gradients = tones.map((role) => {
      const color = colorOf(palette, role);
      return `<linearGradient id="tone-${role}" x1="${variant.lightFromLeft ? 0 : 1}" y1="0" x2="${variant.lightFromLeft ? 1 : 0}" y2="1"><stop offset="0" stop-color="${lighter(color, 0.5)}"/><stop offset="0.45" stop-color="${color}"/><stop offset="1" stop-color="${darker(color, 0.42)}"/></linearGradient>`;
    });
    const parts = glyph.map((part) => {
      if (isStroke(part)) {
        const width = part.role === 'detail' ? 1 : 2.4;
        return (
          paint(part, {
            stroke: darker(palette.ink, 0.2),
            width,
            opacity: part.role === 'detail' ? 0.5 : 1,
          }) + paint(part, { stroke: '#ffffff', width: width / 3, opacity: 0.35 })
        );
      }
      return paint(part, {
        fill: `url(#tone-${part.role})`,
        stroke: darker(colorOf(palette, part.role), 0.5),
        width: 0.5,
      });
    });
    const body = variant.place(parts.join(''));
    return {
      ground: lighter(palette.tile, 0.62),
      definitions:
        gradients.join('') +
        `<radialGradient id="back" cx="${variant.lightFromLeft ? 0.35 : 0.65}" cy="0.3" r="0.85"><stop offset="0" stop-color="#ffffff"/><stop offset="1" stop-color="${mix(lighter(palette.tile, 0.62), palette.tileDark, 0.3)}"/></radialGradient>` +
        blur('soft', 2.6) +
        `<linearGradient id="gloss" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#ffffff" stop-opacity="0.6"/><stop offset="0.5" stop-color="#ffffff" stop-opacity="0"/></linearGradient>` +
        `<filter id="edge" x="-20%" y="-20%" width="140%" height="140%"><feGaussianBlur stdDeviation="0.8"/></filter>`,
      content:
        `<rect width="100" height="100" fill="url(#back)"/>` +
        `<ellipse cx="50" cy="86" rx="33" ry="5.5" fill="${darker(palette.tileDark, 0.5)}" opacity="0.45" filter="url(#soft)"/>` +
        `<g filter="url(#edge)" opacity="0.4">${scaled(silhouette(glyph, variant, darker(palette.ink, 0.3)), 0.74, 1, 1.6)}</g>` +
        scaled(body, 0.74) +
        scaled(
          silhouette(
            glyph.filter(({ role }) => role === 'main'),
            variant,
            'url(#gloss)',
          ),
          0.74,
        ),
    };
  },
};

/** All areas and lines of a glyph in one colour. */
function silhouette(glyph: Glyph, variant: Variant, color: string): string {
  const parts = glyph
    .filter(({ role }) => role !== 'detail')
    .map((part) =>
      isStroke(part) ? paint(part, { stroke: color, width: 2.6 }) : paint(part, { fill: color }),
    );
  return variant.place(parts.join(''));
}

function gradient(id: string, from: string, to: string, fromLeft: boolean): string {
  const [x1, x2] = fromLeft ? [0, 1] : [1, 0];
  return `<linearGradient id="${id}" x1="${x1}" y1="0" x2="${x2}" y2="1"><stop offset="0" stop-color="${from}"/><stop offset="1" stop-color="${to}"/></linearGradient>`;
}

function blur(id: string, deviation: number): string {
  return `<filter id="${id}" x="-40%" y="-40%" width="180%" height="180%"><feGaussianBlur stdDeviation="${deviation}"/></filter>`;
}
