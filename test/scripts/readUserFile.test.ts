import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CommandFailure } from '../../scripts/command/failure.ts';
import { type FileLine, readUserFile } from '../../scripts/users/readUserFile.ts';

const HEADER = 'userName,user_id,roles,status';
let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-user-file-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('columns stand in any order, among others, behind a byte order mark; blank lines count as lines', async () => {
  const lines = [
    '\ufeffstatus, user_id ,mail,userName,roles',
    '1,7,x,"a, ""b""",3',
    '',
    ',,,,',
    '0,8,,c,2',
    '',
  ];
  expect(await read(lines.join('\r\n'))).toEqual([
    { line: 2, user: { user_id: 7, user_name: 'a, "b"', roles: 3, status: 1 } },
    { line: 5, user: { user_id: 8, user_name: 'c', roles: 2, status: 0 } },
  ]);
});

test('the last line needs no end, and a header alone is a file without users', async () => {
  expect(await read(`${HEADER}\na,1,3,1`)).toHaveLength(1);
  expect(await read(`${HEADER}\n`)).toEqual([]);
});

test('bad lines are told apart from the others, and repeats point to the first line', async () => {
  const lines = ['a,1,3,1', 'b,-2,3,1', 'c,3,3', 'd,1,3,1', 'a,4,3,1', ' a ,5,3,1', 'b,6,3,1'];
  expect(await read([HEADER, ...lines].join('\n'))).toEqual([
    { line: 2, user: { user_id: 1, user_name: 'a', roles: 3, status: 1 } },
    { line: 3, bad: 'user_id has to be a whole number from 1 to 2^53 - 1, not "-2"' },
    { line: 4, bad: '3 fields, but the header has 4' },
    { line: 5, bad: 'the same user_id as in line 2' },
    { line: 6, bad: 'the same userName as in line 2' },
    { line: 7, bad: 'the same userName as in line 2' },
    { line: 8, user: { user_id: 6, user_name: 'b', roles: 3, status: 1 } },
  ]);
});

test('names that are not written in UTF-8 are bad', async () => {
  expect(await read(Buffer.from(`${HEADER}\nJosé,1,3,1\n`, 'latin1'))).toEqual([
    { line: 2, bad: 'userName is not written in UTF-8' },
  ]);
});

test('the largest ids are kept exactly', async () => {
  const largest = Number.MAX_SAFE_INTEGER;
  const lines = [`a,${largest},3,1`, `b,${largest - 1},3,1`, `c,${largest},3,1`];
  expect(await read([HEADER, ...lines].join('\n'))).toMatchObject([
    { user: { user_id: largest } },
    { user: { user_id: largest - 1 } },
    { bad: 'the same user_id as in line 2' },
  ]);
});

test.each([
  ['no header', 'demo,1,3,1\n', 'The first line has to name'],
  [
    'a column named twice',
    'userName,user_id,roles,status,status\na,1,3,1,1\n',
    'status is missing or named twice',
  ],
  ['other separators', 'userName;user_id;roles;status\na;1;3;1\n', 'with commas between'],
  ['nothing', '', 'is empty'],
  ['an open quote', `${HEADER}\n"a,1,3,1\nb,2,3,1\n`, 'is not a CSV file'],
  ['an open quote and much behind it', `${HEADER}\n"${'x'.repeat(100_000)}`, 'is not a CSV file'],
])('a file with %s is refused as a whole', async (_what, text, message) => {
  const reading = read(text);
  await expect(reading).rejects.toThrow(CommandFailure);
  await expect(reading).rejects.toThrow(message);
});

async function read(content: string | Buffer): Promise<FileLine[]> {
  files += 1;
  const file = join(folder, `users-${files}.csv`);
  await writeFile(file, content);
  const lines: FileLine[] = [];
  for await (const line of readUserFile(file)) lines.push(line);
  return lines;
}
