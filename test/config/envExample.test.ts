import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('.env.example lists exactly the variables that config/env.ts reads', async () => {
  const example = await readFile('.env.example', 'utf8');
  const schema = await readFile('config/env.ts', 'utf8');
  const listed = [...example.matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name);
  const read = [...schema.matchAll(/^ {2}([A-Z0-9_]+):/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(read.toSorted());
});

test('compose.yaml passes every variable on to the processes that read it', async () => {
  const compose = await readFile('compose.yaml', 'utf8');
  const schema = await readFile('config/env.ts', 'utf8');
  const read = [...schema.matchAll(/^ {2}([A-Z_0-9]+):/gm)].map(([, name]) => name);
  const passed = new Set([...compose.matchAll(/^ {2,6}([A-Z_0-9]+): /gm)].map(([, name]) => name));
  expect(read.filter((name) => !passed.has(name))).toEqual([]);
});
