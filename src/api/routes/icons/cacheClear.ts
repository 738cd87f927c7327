import type { Request } from 'express';
import { z } from 'zod';
import type { StoredIcon } from '../../../domain/icons/storedIcon.ts';
import { type ClearSelection, selectFilesToClear, takeFilesToClear } from '../../../models/iconFiles.ts';
import { renditionFolder } from '../../../platforms/images/renditions.ts';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';
import { answerJson } from '../../answer.ts';
import { parseJsonObject } from '../../body/json.ts';
import { readBody } from '../../body/readBody.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { type CacheDependencies, categoryNamed } from './cached.ts';

const BODY_LIMIT_BYTES = 1_048_576;
const DAY_MILLISECONDS = 86_400_000;
/** Nothing is older; larger numbers make no date. */
const MOST_DAYS = 36_500;
/** A crash or an outage leaves at most so many files behind of which nothing is known any more. */
const CLEARED_AT_ONCE = 100;
const REMOVED_AT_ONCE = 8;

const ClearBody = z
  .object({
    category: z.string().optional(),
    older_than_days: z.number().min(0).optional().meta({ description: '0 means of any age' }),
  })
  .meta({ id: 'ClearIconCache' });

/** `POST /api/icons/cache/clear`: deletes stored icons, never those that were saved to a workspace. */
export function cacheClearRoute(dependencies: CacheDependencies): Route {
  return {
    method: 'post',
    path: '/api/icons/cache/clear',
    access: dependencies.environment.ICONS_OPEN_MODE ? 'open' : 'icons',
    errors: 'icons',
    cors: 'configured',
    documentation: {
      summary: 'Delete stored icons',
      description:
        'All of them, or those of a category, or those of an age. Icons that were saved to a workspace stay. An unknown category deletes nothing.',
      tags: ['Icons'],
      requestBody: { content: { 'application/json': { schema: ClearBody } } },
      responses: {
        200: {
          description: 'Deleted',
          content: {
            'application/json': { schema: z.object({ message: z.string(), cleared: z.int() }) },
          },
        },
        400: { description: 'A field that cannot be taken' },
      },
    },
    async handle(request, response) {
      const cleared = await clear(dependencies, await readWanted(request));
      answerJson(response, 200, { message: `Cleared ${cleared} cached icons`, cleared });
    },
  };
}

async function readWanted(request: Request): Promise<ClearSelection> {
  const bytes = await readBody(request, BODY_LIMIT_BYTES);
  if (bytes.length === 0) return {};
  const { category, older_than_days: days } = parseJsonObject(bytes);
  return { category: readCategory(category), olderThan: readOlderThan(days) };
}

function readCategory(category: unknown): string | undefined {
  if (category === undefined || category === null) return undefined;
  if (typeof category !== 'string') throw new BadRequestError('category must be a text');
  return categoryNamed(category);
}

function readOlderThan(days: unknown): number | undefined {
  if (days === undefined || days === null || days === 0) return undefined;
  if (typeof days !== 'number' || !(days > 0)) {
    throw new BadRequestError('older_than_days must be a number of at least 0');
  }
  return Math.min(days, MOST_DAYS) * DAY_MILLISECONDS;
}

/** As long as it gets on, it may take longer than other answers: the contract knows no part of a clearing. */
async function clear({ connection, storage }: CacheDependencies, wanted: ClearSelection): Promise<number> {
  const selecting = selectFilesToClear(connection, wanted);
  const selected = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', selecting);
  let cleared = 0;
  for (;;) {
    const taking = takeFilesToClear(connection, selected, CLEARED_AT_ONCE);
    const taken = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', taking);
    await removeFiles(storage, taken);
    cleared += taken.length;
    if (taken.length < CLEARED_AT_ONCE) return cleared;
  }
}

async function removeFiles(storage: ObjectStorage, icons: readonly StoredIcon[]): Promise<void> {
  for (let from = 0; from < icons.length; from += REMOVED_AT_ONCE) {
    const some = icons.slice(from, from + REMOVED_AT_ONCE);
    await Promise.all(some.map(({ path }) => removeFile(storage, path)));
  }
}

/** The original first: whoever makes a rendition meanwhile finds it gone, and removes what was made (`Renditions`). */
async function removeFile(storage: ObjectStorage, path: string): Promise<void> {
  await withinDeadline(ANSWER_MILLISECONDS, 'The file storage', storage.remove(path));
  await storage.removeFolder(renditionFolder(path));
}
