import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

test('.env.example lists exactly the variables that config/env.ts reads', async () => {
  const example = await readFile('.env.example', 'utf8');
  const schema = await readFile('config/env.ts', 'utf8');
  const listed = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
  const read = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(read.toSorted());
});
