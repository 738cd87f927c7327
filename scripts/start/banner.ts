import { styleText } from 'node:util';
import type { Demo } from './demo.ts';

/** The text that says that everything runs and what can be done with it. */
export function readyBanner(demo: Demo, dataFolder: string, startSeconds: number): string {
  const { base_url: url, board, admin, seller } = demo;
  const rows = [
    ['Home', `${url}/`],
    ['API', `${url}/docs`],
    ['Board', `${url}/admin/queues   user ${board.username}, password ${board.password}`],
    ['Health', `${url}/readyz`],
    ['Admin key', admin.api_key],
    ...(seller ? [['Seller', seller.userName]] : []),
    ['Logins', 'npm run --silent demo'],
    ['Data', `${dataFolder}   (kept; npm run data -- backup | restore | reset)`],
  ];
  const title = styleText('bold', `Millrace is ready (${startSeconds.toFixed(1)} s). Ctrl-C stops it.`);
  const table = rows.map(([name, value]) => `  ${styleText('dim', (name ?? '').padEnd(10))} ${value}`);
  const lines = Object.values(demo.lines).map((line) => `  ${line}`);
  return ['', title, '', ...table, '', ...(lines.length > 0 ? ['Try it:', ...lines, ''] : [])].join('\n');
}
