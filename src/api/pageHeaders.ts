import type { Request, Response } from 'express';
import helmet from 'helmet';

/** Everything a page loads comes from this server. TLS, and with it HSTS, is the matter of the proxy in front. */
const setHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      // Swagger UI and Bull Board set styles on elements.
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: false,
});

/** Sets the security headers of a page. The API's own answers do without: nothing renders them. */
export function setPageHeaders(request: Request, response: Response): void {
  setHeaders(request, response, (error) => {
    if (error) throw error;
  });
}
