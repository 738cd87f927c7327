import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { answerBytes, answerText } from '../answer.ts';
import { NotFoundError } from '../errors.ts';
import { createOpenApiDocument } from '../openapi.ts';
import { setPageHeaders } from '../pageHeaders.ts';
import type { Route } from '../route.ts';
import { version } from '../version.ts';

const installed = createRequire(import.meta.url);
const ONE_HOUR = 'public, max-age=3600';

/** The only files of Swagger UI that the page needs; its own index page shows somebody else's API. */
const FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** A file of its own, because the page's security policy allows no inline script. */
const START_SCRIPT = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, tryItOutEnabled: true });\n`;

/**
 * The OpenAPI document and a page to browse it.
 *
 * @param allRoutes - read at the first request, because these routes are among them
 */
export function docsRoutes(allRoutes: () => readonly Route[]): readonly Route[] {
  // Bytes that all answers share: a client that asks again and again without reading costs no memory.
  let document: Buffer | undefined;
  const files = new Map<string, Buffer>();
  return [
    {
      method: 'get',
      path: '/openapi.json',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      documentation: {
        summary: 'This document',
        tags: ['Documentation'],
        responses: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': {} } } },
      },
      example: { title: 'The API, described', command: (baseUrl) => `curl -s ${baseUrl}/openapi.json` },
      handle(_request, response) {
        document ??= Buffer.from(JSON.stringify(createOpenApiDocument(allRoutes(), version)));
        answerBytes(response, 200, 'application/json; charset=utf-8', document);
      },
    },
    {
      method: 'get',
      path: '/docs',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      handle(request, response) {
        setPageHeaders(request, response);
        answerText(response, 200, 'text/html; charset=utf-8', PAGE);
      },
    },
    {
      method: 'get',
      path: '/docs/start.js',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      handle(_request, response) {
        response.setHeader('Cache-Control', ONE_HOUR);
        answerText(response, 200, 'text/javascript; charset=utf-8', START_SCRIPT);
      },
    },
    {
      method: 'get',
      path: '/docs/:file',
      access: 'open',
      errors: 'problem',
      limit: 'none',
      handle(request, response) {
        const file = String(request.params.file);
        const contentType = FILES.get(file);
        if (!contentType) throw new NotFoundError('There is no such file');
        const content = files.get(file) ?? readFileSync(installed.resolve(`swagger-ui-dist/${file}`));
        files.set(file, content);
        response.setHeader('Cache-Control', ONE_HOUR);
        answerBytes(response, 200, contentType, content);
      },
    },
  ];
}
