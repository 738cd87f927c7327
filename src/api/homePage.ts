import type { QueueStatus } from '../runtime/queueStatus.ts';
import type { Check } from './systemStatus.ts';
import { version } from './version.ts';

/** What the start page shows. */
export interface HomeContent {
  readonly checks: readonly Check[];
  /** Nothing when Redis is away. */
  readonly queues: readonly QueueStatus[] | undefined;
  readonly lines: readonly { readonly title: string; readonly command: string }[];
}

/** The start page as HTML, without scripts and without anything from elsewhere. */
export function homePage({ checks, queues, lines }: HomeContent): string {
  const ready = checks.every((check) => check.ok);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Millrace <small>${escapeHtml(version)}</small></h1>
<p>Work comes in over HTTP, stands in queues, and is done by workers.</p>
<nav><a href="/docs">API documentation</a><a href="/admin/queues">Queues</a><a href="/readyz">Readiness</a><a href="/healthz">Health</a><a href="/openapi.json">OpenAPI</a></nav>
</header>
<main>
<section>
<h2>How it is <span class="${ready ? 'good' : 'bad'}">${ready ? 'ready' : 'not ready'}</span></h2>
<table>
<thead><tr><th>Check</th><th>State</th><th>Detail</th></tr></thead>
<tbody>${checks.map(checkRow).join('')}</tbody>
</table>
</section>
<section>
<h2>Queues</h2>
${queues === undefined ? '<p class="bad">Redis does not answer, so the queues cannot be read.</p>' : queueTable(queues)}
</section>
<section>
<h2>Try it</h2>
<p><code>npm run --silent demo</code> prints the keys. The lines name whom <code>npm start</code> makes in a MongoDB of its own; with another one, put a name that <code>npm run users -- list</code> shows.</p>
${lines.map((line) => `<h3>${escapeHtml(line.title)}</h3><pre>${escapeHtml(line.command)}</pre>`).join('')}
</section>
</main>
</body>
</html>
`;
}

function checkRow(check: Check): string {
  const state = check.ok ? '<td class="good">ok</td>' : '<td class="bad">not ok</td>';
  return `<tr><td>${escapeHtml(check.name)}</td>${state}<td>${escapeHtml(check.detail)}</td></tr>`;
}

function queueTable(queues: readonly QueueStatus[]): string {
  const rows = queues.map(
    (queue) =>
      `<tr><td>${escapeHtml(queue.name)}${queue.paused ? ' <em>paused</em>' : ''}</td><td>${queue.waiting}</td><td>${queue.active}</td>` +
      `<td>${queue.delayed}</td><td${queue.failed > 0 ? ' class="bad"' : ''}>${queue.failed}</td><td>${queue.workers}</td>` +
      `<td>${Math.round(queue.oldestWaitingMilliseconds / 1000)} s</td></tr>`,
  );
  return `<table class="numbers">
<thead><tr><th>Queue</th><th>Waiting</th><th>Active</th><th>Delayed</th><th>Failed</th><th>Workers</th><th>Longest wait</th></tr></thead>
<tbody>${rows.join('')}</tbody>
</table>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5c6b7a; --line: #d9e0e6; --paper: #ffffff; --ground: #f3f6f8; --good: #17784a; --bad: #b3261e; --accent: #0b5c8a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaf0; --soft: #9badbd; --line: #31404e; --paper: #1a232c; --ground: #11181f; --good: #5fd19a; --bad: #ff8a80; --accent: #7cc4ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin: 0; font-size: 2rem; letter-spacing: -0.02em; }
h1 small, h2 span { font-size: 0.9rem; font-weight: 600; color: var(--soft); }
h2 { margin: 0 0 0.75rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 0.25rem; font-size: 0.95rem; color: var(--soft); font-weight: 600; }
header p { margin: 0.25rem 0 1rem; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 0.5rem 1.25rem; }
a { color: var(--accent); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 0.5rem; padding: 1.25rem; margin-bottom: 1.25rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 0.8rem; color: var(--soft); font-weight: 600; }
th, td { padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
.numbers td:not(:first-child), .numbers th:not(:first-child) { text-align: right; }
.good, h2 span.good { color: var(--good); }
.bad, h2 span.bad { color: var(--bad); }
pre { margin: 0; padding: 0.75rem; background: var(--ground); border-radius: 0.35rem; overflow-x: auto; font-size: 0.85rem; }
`;
