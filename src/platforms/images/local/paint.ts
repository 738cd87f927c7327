import type { Part } from './drawing.ts';

export interface Paint {
  readonly fill?: string;
  readonly stroke?: string;
  readonly width?: number;
  readonly opacity?: number;
}

/** A part as an SVG element. Everything in it is of this program: no text of a request gets here. */
export function paint({ d, turn }: Part, { fill = 'none', stroke, width = 0, opacity = 1 }: Paint): string {
  const attributes = [
    `d="${d}" fill="${fill}" fill-rule="evenodd"`,
    stroke === undefined
      ? ''
      : ` stroke="${stroke}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"`,
    opacity === 1 ? '' : ` opacity="${opacity}"`,
    turn ? ` transform="rotate(${turn.join(' ')})"` : '',
  ];
  return `<path ${attributes.join('')}/>`;
}

/** Whether a part is a stroke and has no area. */
export function isStroke({ role }: Part): boolean {
  return role === 'line' || role === 'detail';
}

/** Drawn smaller or larger around the middle of the canvas. */
export function scaled(content: string, factor: number, x = 0, y = 0): string {
  const shift = (offset: number) => Math.round((50 - 50 * factor + offset) * 100) / 100;
  return `<g transform="translate(${shift(x)} ${shift(y)}) scale(${factor})">${content}</g>`;
}
