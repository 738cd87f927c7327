import type { Request, Response } from 'express';
import type { ZodOpenApiOperationObject } from 'zod-openapi';
import type { Scope } from '../domain/accounts/scopes.ts';
import type { AuditAction } from '../domain/audit/entry.ts';

export type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete';

/**
 * Shape of a route's refusals, and how its family says that a credential is missing or does not suffice: one of the
 * published contracts, or RFC 9457 problem details for what is new.
 */
export type ErrorFamily = 'usage' | 'credits' | 'icons' | 'commerce' | 'photos' | 'login' | 'problem';

/** What the OpenAPI document says about a route. Security and the shared refusals are added from the rest of it. */
export type RouteDocumentation = Pick<
  ZodOpenApiOperationObject,
  'requestParams' | 'requestBody' | 'responses'
> & {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
};

/** A line for a shell, with the names that `npm start` makes. The start page shows them. */
export interface RouteExample {
  readonly title: string;
  /** @param baseUrl - such as `http://127.0.0.1:3560`, without a slash at the end */
  readonly command: (baseUrl: string) => string;
}

/** One endpoint as data: the server mounts it, the OpenAPI document is made from it. */
export interface Route {
  readonly method: HttpMethod;
  /** Express pattern; a parameter is written `:name`. */
  readonly path: string;
  /**
   * The scope that the caller needs, checked before the handler runs; `open` needs no credential, `account` takes
   * everybody who is logged in, and nobody else.
   */
  readonly access: 'open' | 'account' | Scope;
  /**
   * It is about the credits or projects of the user whom `user_id` in the query names, and of nobody else. Accounts that
   * are no admin's may then call it for their own user, and no other route with such a scope.
   */
  readonly aboutUser?: 'query';
  readonly errors: ErrorFamily;
  /**
   * By default each request counts against its caller's limit. `by-events`: the handler counts what the request holds;
   * `none`: for supervisors and pages.
   */
  readonly limit?: 'by-events' | 'none';
  /** Its requests are written into the audit log under this name. */
  readonly audit?: AuditAction;
  /** Browsers of every origin may call it, or those of the configured ones. Preflights are answered. */
  readonly cors?: 'any' | 'configured';
  /** The refusal of a path like its own that cannot be decoded. By default that is a bad request. */
  readonly undecodable?: () => Error;
  /** Left out of the OpenAPI document when absent: pages and their files. */
  readonly documentation?: RouteDocumentation;
  readonly example?: RouteExample;
  /** Answers the request, or throws one of the errors of `errors.ts`. */
  readonly handle: (request: Request, response: Response) => void | Promise<void>;
}
