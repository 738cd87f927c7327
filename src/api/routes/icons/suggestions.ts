import type { Request, Response } from 'express';
import { z } from 'zod';
import { categoryTitle, suggestions } from '../../../domain/icons/categories.ts';
import { iconFolder } from '../../../domain/icons/iconPath.ts';
import { foldersWithIcons } from '../../../models/iconFolders.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { contractRoute } from './iconsRoute.ts';

type SuggestionsDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment'>;

const Suggestion = z
  .object({
    id: z.int(),
    name: z.string().meta({ example: 'Tools' }),
    slug: z.string().meta({ example: 'tools' }),
    has_icon: z.boolean().meta({ description: 'Whether an icon of it is stored' }),
  })
  .meta({ id: 'IconCategorySuggestion' });

const Query = z.object({
  q: z.string().optional().meta({ example: 'tool', description: 'Part of a name' }),
  format: z.enum(['strings', 'objects']).default('strings'),
});

/** `GET /api/icons/categories/suggestions` */
export function suggestionsRoute(dependencies: SuggestionsDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/categories/suggestions',
    documentation: {
      summary: 'Categories to choose from',
      description: 'The 15 standard ones, or those of all known names that contain `q`.',
      tags: ['Icons'],
      requestParams: { query: Query },
      responses: {
        200: {
          description: 'Their names, or objects with `format=objects`',
          content: {
            'application/json': { schema: z.union([z.array(z.string()), z.array(Suggestion)]) },
          },
        },
      },
    },
    handle: (request, response) => suggest(dependencies, request, response),
  };
}

async function suggest(
  { connection }: SuggestionsDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const query = Query.safeParse(request.query);
  if (!query.success) {
    throw new BadRequestError('q is a text, given once; format is strings or objects');
  }
  const names = suggestions(query.data.q);
  if (query.data.format === 'strings') {
    answerJson(response, 200, names);
    return;
  }
  const slugs = names.map(iconFolder);
  const reading = foldersWithIcons(connection, slugs);
  const covered = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', reading);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(
    response,
    200,
    names.map((name, place) => {
      const slug = iconFolder(name);
      return { id: place + 1, name: categoryTitle(name), slug, has_icon: covered.has(slug) };
    }) satisfies z.infer<typeof Suggestion>[],
  );
}
