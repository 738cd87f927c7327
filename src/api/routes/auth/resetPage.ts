import type { Request, Response } from 'express';
import { answerText } from '../../answer.ts';
import { readFields } from '../../body/readFields.ts';
import { setPageHeaders } from '../../pageHeaders.ts';
import type { Route } from '../../route.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { setPasswordByLink } from './setPassword.ts';

const BODY_LIMIT_BYTES = 1_048_576;
/** Of the tokens that are given out; anything else is no link, and nothing for a page to show. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** Where the one-time links lead: a page with a form, without scripts. */
export function resetPageRoutes(dependencies: AuthRouteDependencies): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/auth/reset',
      access: 'open',
      errors: 'problem',
      handle(request, response) {
        const { token } = request.query;
        // The link is not used up by looking at it: mail scanners and previews do that too.
        if (typeof token === 'string' && TOKEN.test(token)) answerPage(request, response, 200, form(token));
        else answerPage(request, response, 404, NO_LINK);
      },
    },
    {
      method: 'post',
      path: '/auth/reset',
      access: 'open',
      errors: 'problem',
      audit: 'account.password-reset',
      handle: (request, response) => reset(dependencies, request, response),
    },
  ];
}

async function reset(
  dependencies: AuthRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { token, new_password: password, repeated } = await readFields(request, BODY_LIMIT_BYTES);
  if (typeof token !== 'string' || !TOKEN.test(token)) return answerPage(request, response, 404, NO_LINK);
  if (typeof password !== 'string' || password !== repeated) {
    return answerPage(request, response, 400, form(token, 'The two passwords differ'));
  }
  const setting = await setPasswordByLink(dependencies, token, password);
  switch (setting.kind) {
    case 'refused':
      return answerPage(request, response, 400, form(token, setting.problem));
    case 'no-link':
      return answerPage(request, response, 404, NO_LINK);
    case 'set':
      request.context.audit = { who: `account:${setting.account.account_id}` };
      return answerPage(request, response, 200, DONE);
  }
}

function answerPage(request: Request, response: Response, status: number, content: string): void {
  setPageHeaders(request, response);
  response.setHeader('Cache-Control', 'no-store');
  answerText(response, status, 'text/html; charset=utf-8', page(content));
}

const NO_LINK =
  '<p class="bad" role="alert">This link is unknown, was used already, or has expired. Ask for another one.</p>';
const DONE =
  '<p role="status">The password is set. You can log in with it now; every earlier login has ended.</p>';

/** The token has been checked to be plain letters, and the problem is one of our own texts. */
function form(token: string, problem?: string): string {
  return `${problem === undefined ? '' : `<p class="bad" role="alert">${problem}.</p>`}
<form method="post" action="/auth/reset">
<input type="hidden" name="token" value="${token}">
<label>New password<input type="password" name="new_password" autocomplete="new-password" required autofocus></label>
<label>Once more<input type="password" name="repeated" autocomplete="new-password" required></label>
<button>Set password</button>
</form>`;
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Set a new password</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Set a new password</h1>
${content}
</main>
</body>
</html>
`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2733; --line: #d9e0e6; --paper: #ffffff; --ground: #f3f6f8; --bad: #b3261e; --accent: #0b5c8a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaf0; --line: #31404e; --paper: #1a232c; --ground: #11181f; --bad: #ff8a80; --accent: #7cc4ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 10vh auto; padding: 1.5rem; background: var(--paper); border: 1px solid var(--line); border-radius: 0.5rem; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; }
label { display: block; margin-bottom: 1rem; font-weight: 600; }
input { display: block; width: 100%; margin-top: 0.25rem; padding: 0.5rem; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 0.35rem; }
button { padding: 0.5rem 1rem; font: inherit; font-weight: 600; color: var(--paper); background: var(--accent); border: 0; border-radius: 0.35rem; cursor: pointer; }
.bad { color: var(--bad); }
`;
